"""Storage: where the numbers of a network lie, or of a module that stands alone.

Four flat blocks, each aligned: parameters, gradient, state and settings. A module has a slice of each. Ownership in two
sentences: a module's numbers lie in one storage, which knows weakly the network that laid it out, and the networks inside it,
which may outlive it. Whoever remembers something about a storage (a program, an optimizer) remembers its `version` too, and
makes it anew when they differ.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from modnet.inputs import as_float32
from modnet.kernels.memory import aligned, aligned_copy


class Counts(NamedTuple):
    """How many numbers a module has in each block, or where its slices begin."""

    parameters: int = 0
    state: int = 0
    settings: int = 0
    draws: int = 0

    def plus(self, other: Counts) -> Counts:
        """The sums, part by part."""
        return Counts(*(a + b for a, b in zip(self, other)))


_most: ContextVar[int | None] = ContextVar("most", default=None)

#: Those that live: in a forked child their locks, which another thread of the parent may have held, are made anew.
_alive: weakref.WeakSet[Storage] = weakref.WeakSet()


def _after_fork() -> None:
    Storage.laying_out = threading.RLock()
    for storage in list(_alive):
        storage._new_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


#: Numbers of forwards stay below 2^40; what is above counts uses of a module in one forward, beside the first.
DRAW_BITS = 40
ANOTHER_USE = 1 << DRAW_BITS


def last_draw_of(module: Any) -> tuple[int, int]:
    """The number of a module's last forward in training, and how often that forward used it: 0 if not known."""
    noted = int(module._storage.draws[1 + module._at.draws])
    return (noted % ANOTHER_USE, 1 + noted // ANOTHER_USE) if noted > 0 else (-noted, 0)


class Storage:
    """The blocks.

    Parameters
    ----------
    counts : their sizes. dtype : of all but settings, which are words of eight bytes, and draws.
    owners : the network that lays it out, and those inside it; none for a module that stands alone.

    Attributes
    ----------
    parameters, gradient, state, settings : the blocks.
    draws : int64; first the number of forwards in training so far, then for each module that draws the number of its last one,
        as `last_draw_of` reads it: with its uses, or negative if these are not known.
    version : changes when the arrays do, or when a module's numbers are moved elsewhere.
    laying_out : held by whoever moves numbers to another storage, and by whoever notes where the numbers of a network lie or
        is about to take its lock.
    """

    laying_out = threading.RLock()

    def __init__(self, counts: Counts, dtype: Any = np.float64, owners: Iterable[Any] = ()) -> None:
        limit = _most.get()
        if limit is not None and counts.parameters + counts.state > limit:
            raise ValueError(f"it has {counts.parameters + counts.state} numbers, expected at most {limit}")
        self.parameters = aligned(counts.parameters, dtype)
        self.gradient = aligned(counts.parameters, dtype)
        self.state = aligned(counts.state, dtype)
        self.settings = aligned(counts.settings, np.float64)
        self.draws = np.zeros(1 + counts.draws, np.int64)
        self.version = 0
        self._owners = [weakref.ref(network) for network in owners]
        self._new_locks()
        _alive.add(self)

    @staticmethod
    @contextmanager
    def at_most(numbers: int) -> Iterator[None]:
        """Context: for this thread, a storage for more numbers is a ValueError, before anything is allocated."""
        token = _most.set(numbers)
        try:
            yield
        finally:
            _most.reset(token)

    def _new_locks(self) -> None:
        #: Held by the thread that writes: see `take`.
        self.lock, self._counting = threading.RLock(), threading.Lock()
        # Two forwards in training take turns if they move the same statistics. One may hold a class that begins another.
        self.moving_statistics = threading.RLock()
        self._writing_thread = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.parameters.dtype

    @property
    def element(self) -> np.dtype[Any] | None:
        """What inputs are converted to; None if there are no numbers, and an input keeps its own type."""
        return self.parameters.dtype if self.parameters.size or self.state.size else None

    def owner_of(self, module: Any) -> Any:
        """The network that a module with numbers here belongs to, or None.

        That is the one that laid it out; if it is gone, the outermost of those inside it that hold the module.
        """
        found = None
        for i, reference in enumerate(self._owners):
            network = reference()
            if network is None:
                continue
            laid_out = i == 0 and not hasattr(module, "wire")  # a container may have left the network since
            if not (laid_out or _holds(network, module)):
                continue
            if i == 0:
                return network
            if found is None or _holds(network, found):
                found = network
        return found

    def convert(self, dtype: np.dtype[Any], who: Any = "modnet") -> None:
        """Take another element type. A ValueError, with nothing changed, if a number is too large for it."""
        if dtype == np.float32:
            for name in ("parameters", "gradient", "state"):
                as_float32(getattr(self, name), who, name)
        self.parameters, self.gradient, self.state = (
            aligned_copy(block, dtype) for block in (self.parameters, self.gradient, self.state)
        )
        self.version += 1

    # Who may write.

    @contextmanager
    def writing(self, who: Any) -> Iterator[None]:
        """Context: this thread has the numbers to itself. A second thread that asks gets a RuntimeError."""
        self.take(who, self.version)
        before, self._writing_thread = self._writing_thread, threading.get_ident()
        try:
            yield
        finally:
            self._writing_thread = before
            self.lock.release()

    def take(self, who: Any, version: int) -> None:
        """What `writing` begins with, for a call that lasts a few microseconds: `lock.release` gives it back.

        Who knows the storage by an earlier version gets the RuntimeError too: the numbers have just been moved.
        """
        if self.lock.acquire(False):
            if self.version == version:
                return
            self.lock.release()
        raise busy(who)

    # Draws.

    def next_draw(self) -> int:
        """The number of a new forward in training; negative if another thread is training: it then moves no statistics."""
        with self._counting:
            self.draws[0] += 1
            draw = int(self.draws[0])
        return draw if self._writing_thread in (0, threading.get_ident()) else -draw


def _holds(network: Any, module: Any) -> bool:
    return any(part is module for part in (network, *network.leaves(), *network.containers()))


def leaves(module: Any) -> list[Any]:
    """The leaves of a container, in order, each as often as it is used; any other module is its own leaf."""
    return list(module.leaves()) if callable(getattr(module, "leaves", None)) else [module]


def parts(module: Any) -> list[Any]:
    """A network, the containers inside it and its leaves, each once."""
    inside = module.containers() if callable(getattr(module, "containers", None)) else ()
    return unique((module, *inside, *leaves(module)))


def has_storage(module: Any) -> bool:
    """Whether a module is one of the library's, or of a subclass: its numbers then lie in a storage."""
    return "_storage" in getattr(module, "__dict__", {})


def library_leaves(module: Any) -> list[Any]:
    """The library's own leaves of a network, and those of classes made from them, each once."""
    return [leaf for leaf in unique(leaves(module)) if has_storage(leaf)]


def outsiders(net: Any) -> list[tuple[Any, Any]]:
    """Modules of a network that use parameters of another which is not in it, and so would not be trained: with that other."""
    inside = leaves(net)
    present = {id(module) for module in inside}
    users = [module for module in inside if has_storage(module)]
    return [(module, other) for module in users for other in module.shares_parameters_of if id(other) not in present]


def unique(modules: Iterable[Any]) -> list[Any]:
    """Each of some modules once, in order."""
    return list({id(module): module for module in modules}.values())


@contextmanager
def writing(net: Any, who: Any) -> Iterator[None]:
    """Context: the numbers of a network are this thread's alone. A class that somebody else wrote looks after its own."""
    if not has_storage(net):
        yield
        return
    with ExitStack() as stack:
        with Storage.laying_out:  # nobody is in the middle of moving them; then nobody moves what is locked
            stack.enter_context(net.storage.writing(who))
        yield


def busy(who: Any) -> RuntimeError:
    """What a thread is told that wants to write to what another one writes to."""
    return RuntimeError(
        f"{who}: another thread is changing this network; wait for it to finish, or give each thread a copy.deepcopy of its own"
    )


def lay_out(modules: Iterable[Any], dtype: Any, owners: Iterable[Any] = ()) -> Storage:
    """Move the numbers of modules, each named once, into a new storage, one after the other.

    RuntimeError if another thread is changing some of them: it would go on with those that are left behind.
    """
    modules, owners = list(modules), list(owners)
    with ExitStack() as stack:
        for old in {id(module._storage): module._storage for module in modules}.values():
            stack.enter_context(old.writing(type(owners[0]).__name__ if owners else modules[0]))
        return _moved(modules, dtype, owners)


def _moved(modules: list[Any], dtype: Any, owners: list[Any]) -> Storage:
    places, end = [], Counts()
    for module in modules:
        places.append(end)
        end = end.plus(module.counts)
    storage = Storage(end, dtype, owners)
    left = {}
    for module, at in zip(modules, places):
        old, old_at, count = module._storage, module._at, module.counts
        for block in ("parameters", "gradient", "state", "settings"):
            part = "parameters" if block == "gradient" else block
            start, old_start, size = getattr(at, part), getattr(old_at, part), getattr(count, part)
            getattr(storage, block)[start : start + size] = getattr(old, block)[old_start : old_start + size]
        if count.draws:
            storage.draws[1 + at.draws] = old.draws[1 + old_at.draws]
            storage.draws[0] = max(storage.draws[0], old.draws[0])
        left[id(old)] = old
    for module, at in zip(modules, places):
        module._storage, module._at = storage, at
    for old in left.values():
        old.version += 1
    return storage
