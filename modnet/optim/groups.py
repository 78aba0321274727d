"""What an optimizer moves by one kernel: the flat vector of a network of the library's, or one module that is a plain class.

If modules learn at rates of their own, the flat vector falls into pieces: neighbours with the same factor. The kernel is
called for each piece, with settings of its own, and not at all for what is frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.storage import Storage, library_leaves
from modnet.engine.walk import PIECE, move
from modnet.kernels.compiled import enter_step
from modnet.kernels.memory import aligned, aligned_copy
from modnet.kernels.operation import Operation
from modnet.modules.container import Container

if TYPE_CHECKING:
    from modnet.optim.optimizer import Optimizer


def _origin(net: Any) -> int:
    """Where a network's parameters begin in its storage."""
    return int(net._range[0] if isinstance(net, Container) else net._at.parameters)  # type: ignore[index]


def _stretches(net: Any, factors: dict[int, float]) -> list[tuple[int, int, float]]:
    """The stretches of a network's flat vector that have one factor: (start, size, factor), those with factor 0 left out."""
    origin = _origin(net)
    holders = [leaf for leaf in library_leaves(net) if leaf.counts.parameters]
    places = {(m._at.parameters, m.counts.parameters): factors.get(id(m), 1.0) for m in holders}
    found: list[tuple[int, int, float]] = []
    for (begin, size), factor in sorted(places.items()):
        if found and found[-1][2] == factor:
            found[-1] = (found[-1][0], begin + size - origin - found[-1][0], factor)
        else:
            found.append((begin - origin, size, factor))
    return [piece for piece in found if piece[2] > 0]


class _Group:
    """What an optimizer moves by one kernel: its settings, in which it counts its steps, and its moments."""

    optimizer: Optimizer
    settings: np.ndarray
    moments: Any

    def attempt_step(self, operation: Operation) -> bool:
        """A step in one compiled call, if that is all there is to do; else False, and nothing done."""
        return False

    def counts(self, name: str) -> np.ndarray:
        return self.settings.view(np.int64)[..., type(self.optimizer).layout.words[name]]

    def count_step(self, steps: int = 1, **others: int) -> None:
        for name, more in {"steps": steps, **others}.items():
            counts = self.counts(name)
            counts += more

    def forget(self) -> None:
        if isinstance(self.moments, dict):
            self.moments.clear()
        else:
            self.moments[:] = 0
        self.settings[:] = self.optimizer._words


class FlatGroup(_Group):
    """The flat vector of one of the library's networks, in pieces.

    Moments, settings and factors are its own; where the network's numbers lie is remembered with the storage's version.
    """

    def __init__(self, optimizer: Optimizer, net: Any, factors: dict[int, float]) -> None:
        self.optimizer, self.net = optimizer, net
        with Storage.laying_out:  # all of it is noted of one network: kernels write to the moments at these places
            self.size, self.dtype, self.letter = net.parameters.size, net.dtype, net.dtype.char
            self.stretches = _stretches(net, factors)
            self.moments = aligned(len(optimizer.moments()) * self.padded, self.dtype)
            #: A row for each piece. The first counts the steps if there is none.
            words = optimizer._words
            self.settings = aligned(max(1, len(self.stretches)) * words.size, np.float64).reshape(-1, words.size)
            self.settings[:] = words
            self._bind()

    @property
    def padded(self) -> int:
        """How far apart the moments begin: a multiple of 64 bytes."""
        return -(-self.size * self.dtype.itemsize // 64) * 64 // self.dtype.itemsize

    def _bind(self) -> None:
        """Note where the numbers lie."""
        self.storage = self.net.storage
        self.version = self.storage.version
        origin = _origin(self.net)
        layout, kept = type(self.optimizer).layout, self.optimizer.moments()
        self.z = np.zeros(max(1, len(self.stretches)), layout.z)
        self.pieces = np.zeros(len(self.stretches), PIECE)
        for k, (start, size, factor) in enumerate(self.stretches):
            for name in layout.states:
                if name in kept:
                    self.z[k][f"{name}_at"] = kept.index(name) * self.padded + start
                    self.z[k][f"{name}_0"] = size
            self.pieces[k] = (
                origin + start, size, self.z.ctypes.data + k * self.z.itemsize,
                self.settings.ctypes.data + k * self.settings.strides[0], factor,
            )  # fmt: skip
        self.addresses = self.pieces.ctypes.data, self.moments.ctypes.data
        parameters, gradient = self.storage.parameters, self.storage.gradient
        self.moved = self.addresses[0], len(self.pieces), parameters, gradient, self.moments
        self.parts = [(parameters[a : a + n], gradient[a : a + n], z, s, f) for a, n, z, s, f in self.pieces.tolist()]

    def check(self) -> None:
        if self._is_current():
            return
        with Storage.laying_out:
            if self.version >= 0 or self.net.parameters.size != self.size or self.net.dtype != self.dtype:
                raise ValueError(
                    f"{self.optimizer}: the network was changed by append or astype since attach; call optimizer.attach(net) "
                    "again"
                )
            self._bind()

    def _is_current(self) -> bool:
        storage = self.storage
        return storage is not None and storage.version == self.version and self.net._storage is storage

    def attempt_step(self, operation: Operation) -> bool:
        """For a network that is as it was, and whose gradient is not to be clipped."""
        storage = self.storage
        if storage is None or self.net._storage is not storage or not storage.lock.acquire(False):
            return False
        try:
            if storage.version != self.version:
                return False
            optimizer = self.optimizer
            done: bool = move.call(operation.addresses[type(optimizer), self.letter], optimizer._words, *self.moved)
            return done
        finally:
            storage.lock.release()

    def arrays(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        return [(parameters, gradient, factor) for parameters, gradient, _, _, factor in self.parts]

    def step(self, operation: Operation, rate: float) -> None:
        address = operation.address(type(self.optimizer), self.dtype)
        for k, (parameters, gradient, z, s, factor) in enumerate(self.parts):
            self.settings[k, 0] = rate * factor
            enter_step.call(address, parameters, gradient, self.moments, z, s)
        if not self.parts:
            self.count_step()

    def __getstate__(self) -> dict[str, Any]:
        gone = ("storage", "version", "z", "pieces", "parts", "addresses", "moved")
        state = {name: value for name, value in dict(self.__dict__).items() if name not in gone}
        state["version"] = -1 if self.version < 0 or self._is_current() else 0  # 0: the network has changed since attach
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.moments, self.settings = aligned_copy(self.moments), aligned_copy(self.settings)
        self.storage = None  # bound when the whole optimizer is there


class PlainGroup(_Group):
    """A module that is a plain class: an array or a dict of arrays in ``_parameters``, the same in ``_gradient``."""

    storage = None

    def __init__(self, optimizer: Optimizer, module: Any, factor: float) -> None:
        self.optimizer, self.module, self.factor = optimizer, module, factor
        self.settings = optimizer._words.copy()
        self.moments: dict[Any, np.ndarray] = {}
        self.examined = self.informed = False

    @property
    def foreign(self) -> Foreign:
        return Foreign(self.module)

    def check(self) -> None:
        if not self.factor or self._left_to_module():
            return
        name = type(self.module).__name__
        for key, param, grad in self.foreign.pairs():
            where = f"{name}._parameters" + ("" if key is None else f"[{key!r}]")
            if not isinstance(param, np.ndarray) or param.dtype.kind != "f":
                came = f"an array of {param.dtype}" if isinstance(param, np.ndarray) else type(param).__name__
                raise TypeError(f"{self.optimizer}: {where} is {came}, expected an array of floats")
            if np.shape(grad) != param.shape:
                raise ValueError(
                    f"{self.optimizer}: {where} has shape {param.shape} and its gradient {np.shape(grad)}, expected the same"
                )
        if not self.examined:
            hidden = self.foreign.moved_beside_parameters()
            if hidden:
                raise TypeError(
                    f"{self.optimizer}: {name}.update_parameters moves {', '.join(hidden)} too, which this optimizer cannot "
                    "see; put it in _parameters (a dict of arrays will do), or train with SGD(lr), which calls "
                    "update_parameters"
                )
            self.informed = hidden is not None

    def _left_to_module(self) -> bool:
        return self.optimizer.plain and callable(getattr(self.module, "update_parameters", None))

    def arrays(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        return [(*pair, self.factor) for pair in self.foreign.writable_pairs()] if self.factor else []

    def step(self, operation: Operation, rate: float) -> None:
        # Only now has there been a gradient that would move what is hidden: `fit` checks before its first backward too.
        self.examined = self.informed
        self.settings[0] = rate * self.factor
        before = self.settings.copy()
        self.count_step()
        if self.factor and self._left_to_module():
            self.foreign.update_parameters(float(self.settings[0]))
        elif self.factor:
            for key, param, grad in self.foreign.pairs():
                words = before.copy()  # every array is moved by the same step
                self._move(operation, key, param, grad, words)
                self.settings[:] = words

    def _move(self, operation: Operation, key: Any, param: np.ndarray, grad: Any, words: np.ndarray) -> None:
        """One step of one array, by the kernel, on copies of it and of its gradient."""
        dtype = param.dtype if param.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        flat, slope = np.array(param, dtype).reshape(-1), np.array(grad, dtype).reshape(-1)
        kept, layout = self.optimizer.moments(), type(self.optimizer).layout
        moments = self.moments.get(key)
        if moments is None or moments.size != len(kept) * flat.size:
            moments = self.moments[key] = np.zeros(len(kept) * flat.size, dtype)
        z = np.zeros(1, layout.z)
        for i, name in enumerate(kept):
            z[f"{name}_at"], z[f"{name}_0"] = i * flat.size, flat.size
        address = operation.address(type(self.optimizer), dtype)
        enter_step.call(address, flat, slope, moments, z.ctypes.data, words.ctypes.data)
        param[...] = flat.reshape(param.shape)
