"""Saving: a network in one file, and back. The format is in `modnet.persistence.archive`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modnet import hints
from modnet.inputs import short_repr
from modnet.persistence import archive
from modnet.persistence.archive import MAX_BYTES, FileError


@hints.explained(hints.CALL)
def save(net: Any, path: Any) -> None:
    """Write a network to a file: modules, parameters, running statistics, settings, modes, draws.

    The file is an .npz, whatever its name: numpy.load reads the arrays, nothing in it is code. It is written aside, flushed and
    renamed, so that after a crash at any moment the old or the new file is whole; of two processes that write one path, one
    wins.

    Parameters
    ----------
    net : a network or any module. A class of your own must keep the arguments of its constructor as attributes of the same
        names; all numbers, text and arrays that its attributes hold are kept, but for ``_gradient``.
    path : of the file. It is replaced if it exists.

    Raises
    ------
    TypeError : if a module would not come back as it is: the attribute that would not is named.
    OSError : if the file cannot be written; what was there is untouched.

    Example
    -------
    >>> import os, tempfile
    >>> from modnet import Linear, load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.npz")
    ...     save(Linear(2, 3, rng=0), path)
    ...     load(path)
    Linear(2 -> 3)
    """
    from modnet.persistence.describe import describe

    if isinstance(net, type) or not callable(getattr(net, "forward", None)):
        raise TypeError(f"save: net is {short_repr(net)}, expected a network; modnet.save(net, path)")
    archive.write(path, "network", describe(net))


@hints.explained(hints.CALL)
def load(path: Any, *, classes: Iterable[type] = (), max_bytes: int = MAX_BYTES) -> Any:
    """The network in a file that `save` wrote. Only modnet's own classes are made, and those that are given.

    Parameters
    ----------
    path : of the file. classes : classes of your own that the network has. max_bytes : larger files are not read.

    Returns
    -------
    net : a new network, with the numbers, settings and modes of the one that was saved.

    Raises
    ------
    FileError : a ValueError: the file is damaged in any byte, is none that `save` wrote, is too large, or holds a class that is
        not given.
    OSError : if it cannot be opened.
    """
    from modnet.persistence.describe import build

    who = f"load: {path}"
    return build(archive.read(path, "network", max_bytes), list(classes), who)


__all__ = ["FileError", "load", "save"]
