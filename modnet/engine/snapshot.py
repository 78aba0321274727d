"""The numbers of a network, kept and put back: best epoch, take-back, watching, restarts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign, put_back
from modnet.engine.storage import has_storage, parts

#: The blocks of a storage that a forward may depend on.
NUMBERS = ("parameters", "state", "settings", "draws")


def parts_of(net: Any) -> tuple[list[Any], list[Foreign]]:
    """Where a network's numbers lie: storages, and modules that are not the library's."""
    if not has_storage(net):
        return [], [Foreign(net)]
    return [net.storage], [Foreign(module) for module in getattr(net, "_strangers", [])]


def _written_anew(net: Any) -> list[Foreign]:
    """Subclasses of the library's modules and containers with an operation in Python: they may keep attributes of their own."""
    if not has_storage(net):
        return []
    library = [m for m in parts(net) if has_storage(m)]
    return [Foreign(m) for m in library if not (type(m).is_compiled or getattr(type(m), "is_wired", False))]


class Kept:
    """Copies of the numbers of a network.

    Parameters
    ----------
    net : a network or any module.
    blocks : those of the library's that are kept. Of somebody else's modules everything is.
    """

    def __init__(self, net: Any, blocks: Iterable[str] = NUMBERS) -> None:
        storages, foreign = parts_of(net)
        arrays = [getattr(storage, name) for storage in storages for name in blocks]
        #: What held numbers, and what it held.
        self.pairs: list[tuple[Any, Any]] = [(array, array.copy()) for array in arrays]
        for module in (*foreign, *_written_anew(net)):
            self.pairs += module.snapshot()

    def restore(self) -> None:
        """Put them back."""
        put_back(self.pairs)

    def restore_what_is_not_finite(self) -> None:
        """Put back the arrays that hold NaN or infinity now."""
        arrays = [(a, b) for a, b in self.pairs if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        put_back((a, b) for a, b in arrays if not np.isfinite(a).all())


def is_finite(net: Any) -> bool:
    """Whether all parameters are finite, and so the statistics that modules keep."""
    storages, foreign = parts_of(net)
    arrays = [array for storage in storages for array in (storage.parameters, storage.state)]
    return all(bool(np.isfinite(array).all()) for array in arrays) and all(f.is_finite() for f in foreign)
