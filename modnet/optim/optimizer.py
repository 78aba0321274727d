"""What optimizers share: one kernel over one flat vector, and the care for modules that are plain numpy classes.

An optimizer does not know the architecture. Its kernel sees the parameters, the gradient and its own moments as vectors;
``settings`` are its numbers: the learning rate, the count of steps, the clipping norm, and then its own.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from modnet.arrays import real
from modnet.kernels import Compiled
from modnet.module import KernelModule
from modnet.modules.container import Container, require_companions
from modnet.table import clip

LR, STEPS, CLIP, OWN = 0, 1, 2, 3  # places in settings


class Optimizer:
    """Moves the parameters of a network against their gradient.

    Use it in `fit`, or by hand::

        optimizer.attach(net)
        for x, y in batches:
            net.zero_grad()
            net.backward_update_gradient(x, loss.backward(y, net.forward(x)) / len(x))
            optimizer.step()

    Parameters
    ----------
    lr : the learning rate, positive.
    own : the numbers of the optimizer itself, after lr, the count of steps and the clipping norm.
    clip_norm : the largest norm of the whole gradient; a longer one is scaled down to it. None for no bound.
    """

    step_kernel: Compiled
    #: Vectors of the parameters' size that the kernel keeps.
    moment_count = 0

    def __init__(self, lr: float, own: tuple[float, ...] = (), clip_norm: float | None = None) -> None:
        who = type(self).__name__
        rate = real(lr, who, "lr", "a positive number", lambda v: v > 0)
        limit = 0.0 if clip_norm is None else real(clip_norm, who, "clip_norm", "a positive number", lambda v: v > 0)
        self._initial = np.array([rate, 0.0, limit, *own], np.float64)
        self.net: Any = None
        self._groups: list[_Flat | _Plain] = []

    @property
    def lr(self) -> float:
        """The learning rate; it may be changed between steps."""
        return float(self._initial[LR])

    @lr.setter
    def lr(self, value: float) -> None:
        self._initial[LR] = real(value, type(self).__name__, "lr", "a positive number", lambda v: v > 0)
        for group in self._groups:
            group.settings[LR] = value

    @property
    def clip_norm(self) -> float | None:
        """The largest norm of the gradient, or None."""
        return float(self._initial[CLIP]) or None

    @property
    def plain(self) -> bool:
        """Whether a step is parameters -= lr * gradient and nothing else, which every module can do itself."""
        return False

    @property
    def steps(self) -> int:
        """Steps taken since `attach`."""
        return max((int(group.settings[STEPS]) for group in self._groups), default=0)

    def attach(self, net: Any) -> Optimizer:
        """Take charge of a network's parameters, forgetting earlier steps. Returns the optimizer."""
        if isinstance(net, type) or not callable(getattr(net, "forward", None)):
            raise TypeError(f"{self}: attach got {net!r}, expected a network")
        require_companions(net, self)
        self.net = net
        self._groups = []
        if isinstance(net, Container):
            if net.parameters.size:
                self._groups.append(_Flat(self, net))
            self._groups.extend(_Plain(self, module) for module in net._strangers)
        elif isinstance(net, KernelModule):
            self._groups.append(_Flat(self, net))
        else:
            self._groups.append(_Plain(self, net))
        return self

    def step(self) -> None:
        """Move the parameters of the attached network once, by its present gradient."""
        if self.net is None:
            raise ValueError(f"{self}: step before attach, expected optimizer.attach(net) first")
        for group in self._groups:
            group.check()
        if self._initial[CLIP] > 0:
            self._clip()
        for group in self._groups:
            group.step()

    def _clip(self) -> None:
        limit = float(self._initial[CLIP])
        if len(self._groups) == 1 and isinstance(self._groups[0], _Flat):
            clip.call(self._groups[0].grad, limit)
            return
        pieces = [g for group in self._groups for g in group.gradients()]
        norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in pieces)))
        if norm > limit:
            for g in pieces:
                g *= limit / norm

    def flat_group(self) -> Any:
        """The group of a network whose parameters are one flat vector: what the compiled epoch works on."""
        return self._groups[0] if len(self._groups) == 1 and isinstance(self._groups[0], _Flat) else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lr={self.lr:g})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "net": None, "_groups": []}


class _Flat:
    """The flat vector of one of the library's networks."""

    def __init__(self, optimizer: Optimizer, net: Any) -> None:
        self.optimizer, self.net = optimizer, net
        self.storage = net._storage
        self.params, self.grad = net.parameters, net.gradient
        self.moments = np.zeros(optimizer.moment_count * self.params.size, self.params.dtype)
        self.settings = optimizer._initial.copy()
        self.base = self.storage.params

    def check(self) -> None:
        if self.net._storage is not self.storage or self.storage.params is not self.base:
            raise ValueError(
                f"{self.optimizer}: the network was changed by append or astype since attach, "
                "expected optimizer.attach(net) again"
            )

    def gradients(self) -> list[np.ndarray]:
        return [self.grad]

    def step(self) -> None:
        self.optimizer.step_kernel.call(self.params, self.grad, self.moments, self.settings)


class _Plain:
    """A module that is a plain class: an array or a dict of arrays in ``_parameters``, the same in ``_gradient``."""

    def __init__(self, optimizer: Optimizer, module: Any) -> None:
        self.optimizer, self.module = optimizer, module
        self.settings = optimizer._initial.copy()
        self.moments: dict[Any, np.ndarray] = {}
        self.examined = False

    def _pairs(self) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        params, grads = getattr(self.module, "_parameters", None), getattr(self.module, "_gradient", None)
        if params is None or grads is None:
            return []
        if isinstance(params, dict):
            return [(name, params[name], grads[name]) for name in params if grads.get(name) is not None]
        return [(None, params, grads)]

    def check(self) -> None:
        if self._left_to_module():
            return
        name = type(self.module).__name__
        for key, param, grad in self._pairs():
            where = f"{name}._parameters" + ("" if key is None else f"[{key!r}]")
            if not isinstance(param, np.ndarray) or param.dtype.kind != "f":
                raise TypeError(f"{self.optimizer}: {where} is {type(param).__name__}, expected an array of floats")
            if np.shape(grad) != param.shape:
                raise ValueError(
                    f"{self.optimizer}: {where} has shape {param.shape} and its gradient {np.shape(grad)}, expected the same"
                )
        if not self.examined and self._pairs():
            hidden = _moved_beside_parameters(self.module)
            if hidden:
                raise TypeError(
                    f"{self.optimizer}: {name}.update_parameters moves {', '.join(hidden)} too, which this optimizer cannot "
                    "see; put it in _parameters (a dict of arrays will do), or train with SGD(lr), which calls "
                    "update_parameters"
                )
            self.examined = True

    def _left_to_module(self) -> bool:
        return self.optimizer.plain and callable(getattr(self.module, "update_parameters", None))

    def gradients(self) -> list[np.ndarray]:
        return [np.asarray(grad) for _, _, grad in self._pairs()]

    def step(self) -> None:
        if self._left_to_module():
            self.module.update_parameters(float(self.settings[LR]))
            self.settings[STEPS] += 1
            return
        for key, param, grad in self._pairs():
            dtype = param.dtype if param.dtype in (np.float32, np.float64) else np.dtype(np.float64)
            flat, slope = np.array(param, dtype).reshape(-1), np.array(grad, dtype).reshape(-1)
            moments = self.moments.get(key)
            if moments is None or moments.size != self.optimizer.moment_count * flat.size:
                moments = self.moments[key] = np.zeros(self.optimizer.moment_count * flat.size, dtype)
            settings = self.settings.copy()
            self.optimizer.step_kernel.call(flat, slope, moments, settings)
            param[...] = flat.reshape(param.shape)
        self.settings[STEPS] += 1


def _moved_beside_parameters(module: Any) -> list[str]:
    """The arrays other than ``_parameters`` that a plain module's own update_parameters moves, found by trying a copy."""
    if not callable(getattr(module, "update_parameters", None)):
        return []
    trial = copy.deepcopy(module)
    before = {name: value.copy() for name, value in vars(trial).items() if isinstance(value, np.ndarray)}
    try:
        trial.update_parameters(1.0)
    except Exception:  # whatever a stranger's code raises, it is not this check that should report it
        return []
    known = {id(value) for value in (trial._parameters, trial._gradient)}
    return [
        name
        for name, old in before.items()
        if name not in ("_parameters", "_gradient")
        and id(vars(trial).get(name)) not in known
        and not np.array_equal(old, vars(trial).get(name), equal_nan=True)
    ]


def as_optimizer(value: Any) -> Optimizer:
    """The optimizer itself; anything else is a TypeError with advice."""
    if isinstance(value, Optimizer):
        return value
    name = value.__name__ if isinstance(value, type) else repr(value)
    raise TypeError(f"fit: optimizer is {name}, expected an optimizer object such as Adam(lr=1e-3)")

