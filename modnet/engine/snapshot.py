"""All numbers of a network that a step may change, kept and put back: best epoch, take-back, watching, restarts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.storage import Snapshot, has_storage, parts


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
    gradient : whether gradients are kept, too.
    """

    def __init__(self, net: Any, gradient: bool = False) -> None:
        self._storages, self._foreign = parts_of(net)
        self._snapshots: list[Snapshot] = [storage.snapshot() for storage in self._storages]
        self._gradients = [storage.gradient.copy() for storage in self._storages] if gradient else []
        self._others = [foreign.snapshot() for foreign in (*self._foreign, *_written_anew(net))]

    def restore(self, only: Iterable[str] = Snapshot._fields) -> None:
        """Put them back."""
        for storage, snapshot in zip(self._storages, self._snapshots):
            storage.restore(snapshot, only)
        for storage, gradient in zip(self._storages, self._gradients):
            storage.gradient[:] = gradient
        for kept in self._others:
            Foreign.restore(kept)

    def restore_what_is_not_finite(self) -> None:
        """Put back the arrays that hold NaN or infinity now."""
        for storage, snapshot in zip(self._storages, self._snapshots):
            bad = [name for name in ("parameters", "state") if not np.isfinite(getattr(storage, name)).all()]
            storage.restore(snapshot, bad)
        for kept in self._others:
            Foreign.restore([(a, b) for a, b in kept if isinstance(a, np.ndarray) and a.dtype.kind == "f"
                             and not np.isfinite(a).all()])  # fmt: skip


def is_finite(net: Any) -> bool:
    """Whether all parameters are finite, and so the statistics that modules keep."""
    storages, foreign = parts_of(net)
    arrays = [array for storage in storages for array in (storage.parameters, storage.state)]
    return all(bool(np.isfinite(array).all()) for array in arrays) and all(f.is_finite() for f in foreign)
