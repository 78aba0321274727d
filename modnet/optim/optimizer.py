"""What optimizers share: one kernel over one flat vector, and the care for modules that are plain numpy classes.

An optimizer does not know the architecture. Its kernel sees the parameters, the gradient and its own moments as vectors;
``settings`` are its numbers: the learning rate, the count of steps, the clipping norm, and then its own.

Where modules learn at rates of their own, the flat vector falls into pieces: neighbours with the same factor. The kernel is
called for each piece, with settings of its own, and not at all for what is frozen.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from modnet.arrays import aligned, real
from modnet.kernels import Compiled
from modnet.module import KernelModule, held_numbers
from modnet.modules.container import Container, require_companions
from modnet.optim.schedules import Schedule
from modnet.table import clip

LR, STEPS, CLIP, OWN = 0, 1, 2, 3  # places in settings


class Number:
    """An attribute of an optimizer that is one of its settings: read only.

    Parameters
    ----------
    index : its place in settings.
    """

    def __init__(self, index: int) -> None:
        self.index = index

    def __get__(self, optimizer: Any, owner: Any = None) -> Any:
        return self if optimizer is None else float(optimizer._initial[self.index])


class Optimizer:
    """Moves the parameters of a network against their gradient.

    Use it in `fit`, or by hand::

        optimizer.attach(net)
        for epoch in range(epochs):
            for x, y in batches:
                net.zero_grad()
                net.backward_update_gradient(x, loss.backward(y, net.forward(x)) / len(x))
                optimizer.step()
            optimizer.epoch_end()  # for a schedule

    Parameters
    ----------
    lr : the learning rate, positive, or a `Schedule`.
    own : the numbers of the optimizer itself, after lr, the count of steps and the clipping norm.
    clip_norm : the largest norm of the whole gradient; a longer one is scaled down to it. None for no bound.
    """

    step_kernel: Compiled
    #: Vectors of the parameters' size that the kernel keeps.
    moment_count = 0
    #: Whether `step` wants the cost, as a function, in the place of a gradient.
    needs_cost = False

    def __init__(self, lr: float | Schedule, own: tuple[float, ...] = (), clip_norm: float | None = None) -> None:
        who = type(self).__name__
        if isinstance(lr, type) and issubclass(lr, Schedule):
            raise TypeError(f"{who}: lr is the class {lr.__name__}, expected an object: {lr.__name__}(...)")
        if isinstance(lr, Schedule):
            rate = lr.lr
        else:
            rate = real(lr, who, "lr", "a positive number or a schedule", lambda v: v > 0)
        limit = 0.0 if clip_norm is None else positive(clip_norm, who, "clip_norm")
        self._initial = np.array([rate, 0.0, limit, *own], np.float64)
        self._schedule = lr if isinstance(lr, Schedule) else None
        self._memory = np.empty(0) if self._schedule is None else self._schedule.begin()
        #: Epochs that have ended since `attach`.
        self.epochs = 0
        self.net: Any = None
        self._groups: list[_Flat | _Plain] = []

    @property
    def lr(self) -> float:
        """The learning rate of the next step. It may be set between steps; a schedule then ends."""
        return float(self._initial[LR]) if self._schedule is None else float(self.rates(1)[0])

    @lr.setter
    def lr(self, value: float) -> None:
        self._initial[LR] = positive(value, type(self).__name__, "lr")
        self._schedule = None

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that the learning rate follows, or None."""
        return self._schedule

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
        return max((int(group.settings[..., STEPS].max()) for group in self._groups), default=0)

    def attach(self, net: Any, rates: Mapping[Any, float] | None = None) -> Optimizer:
        """Take charge of a network's parameters, forgetting earlier steps. Returns the optimizer.

        Parameters
        ----------
        net : a network or a single module.
        rates : factors on the learning rate, by module of the network or by its place: ``{0: 0.0, net[2]: 0.1}`` freezes
            net[0] and lets net[2] learn ten times slower. A container stands for all that is in it, a later entry wins over
            an earlier one, and what is not named has factor 1. What is frozen is not moved by weight decay either, and its
            gradient counts for nothing in clip_norm.
        """
        if isinstance(net, type) or not callable(getattr(net, "forward", None)):
            raise TypeError(f"{self}: attach got {net!r}, expected a network")
        require_companions(net, self)
        factors = self._factors(net, rates or {})
        groups: list[_Flat | _Plain] = []
        if isinstance(net, Container):
            if net.parameters.size:
                groups.append(_Flat(self, net, factors))
            groups.extend(_Plain(self, module, factors.get(id(module), 1.0)) for module in net._strangers)
        elif isinstance(net, KernelModule):
            groups.append(_Flat(self, net, factors))
        else:
            groups.append(_Plain(self, net, factors.get(id(net), 1.0)))
        self.net, self._groups = net, groups
        self.epochs = 0
        if self._schedule is not None:
            self._memory = self._schedule.begin()
        return self

    def _factors(self, net: Any, rates: Mapping[Any, float]) -> dict[int, float]:
        """The factors by id of the modules that hold parameters."""
        if not isinstance(rates, Mapping):
            raise TypeError(f"{self}: rates is {rates!r}, expected a dict such as {{0: 0.0}} or {{net[0]: 0.0}}")
        inside = {id(leaf) for leaf in leaves(net)}
        found: dict[int, float] = {}
        for key, value in rates.items():
            module = key
            if isinstance(key, int | np.integer) and not isinstance(key, bool):
                count = len(net) if isinstance(net, Container) else 0
                if not -count <= key < count:
                    raise ValueError(f"{self}: rates has the place {key}, expected one of the network's {count} modules")
                module = net[int(key)]
            own = [leaf for leaf in leaves(module) if id(leaf) in inside]
            if not own:
                raise ValueError(f"{self}: rates has {_called(key)}, expected a module of the network, or its place")
            factor = real(value, str(self), f"rates[{_called(key)}]", "a factor that is not negative", lambda v: v >= 0)
            holders = {id(leaf): factor for leaf in own if _has_parameters(leaf)}
            if not holders:
                raise ValueError(f"{self}: rates has {_called(module)}, which has no parameters, expected a module with some")
            found.update(holders)
        return found

    def step(self, cost: Callable[[], float] | None = None) -> None:
        """Move the parameters of the attached network once, by its present gradient.

        Parameters
        ----------
        cost : a function that returns the cost at the network's present parameters, for an optimizer that has
            `needs_cost`; the others do not call it.
        """
        self._check()
        rate = self.lr
        if self._initial[CLIP] > 0:
            self._clip()
        for group in self._groups:
            group.step(rate)

    def _check(self) -> None:
        if self.net is None:
            raise ValueError(f"{self}: step before attach, expected optimizer.attach(net) first")
        for group in self._groups:
            group.check()

    def epoch_end(self, loss: float | None = None) -> None:
        """Count an epoch, for a schedule. `fit` does it; by hand it comes after an epoch's last step.

        Parameters
        ----------
        loss : of the epoch, for a schedule that looks at it.
        """
        if self._schedule is not None:
            self._schedule.epoch_end(loss, self._memory)
        self.epochs += 1

    def rates(self, count: int) -> np.ndarray:
        """The learning rates of the next steps, as many as `count`, if no epoch ends before them: (count,)."""
        if self._schedule is None:
            return np.full(count, self._initial[LR])
        rates = np.asarray(self._schedule.rates(self.epochs, self.steps + np.arange(count), self._memory), np.float64)
        if rates.shape != (count,) or not np.isfinite(rates).all() or rates.min(initial=0.0) < 0:
            raise ValueError(f"{self}: the schedule gave the rates {rates}, expected {count} numbers, none negative")
        return np.ascontiguousarray(rates)

    def _clip(self) -> None:
        limit = float(self._initial[CLIP])
        if len(self._groups) == 1 and isinstance(self._groups[0], _Flat):
            clip.call(self._groups[0].grad, self._groups[0].pieces, limit)
            return
        slopes = [g for group in self._groups for g in group.gradients()]
        norm = float(np.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in slopes)))
        if norm > limit:
            for g in slopes:
                g *= limit / norm

    def forget(self) -> None:
        """Begin again with the network and the rates it has: no steps, no epochs, no moments."""
        for group in self._groups:
            group.forget()
        self.epochs = 0
        if self._schedule is not None:
            self._memory = self._schedule.begin()

    def state(self) -> dict[str, Any]:
        """What later steps depend on, apart from the optimizer's arguments: copies, to be kept and given to `restore`."""
        groups = [{"settings": group.settings.copy(), "moments": copy.deepcopy(group.moments)} for group in self._groups]
        return {"lr": float(self._initial[LR]), "epochs": self.epochs, "memory": self._memory.copy(), "groups": groups}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, from an optimizer with the same arguments, attached to such a network.

        Parameters
        ----------
        state : what `state` returned.
        """
        found, mine = ([group["settings"].shape for group in s["groups"]] for s in (state, self.state()))
        if found != mine or len(state["memory"]) != len(self._memory):
            raise ValueError(f"{self}: restore got the state of another optimizer or network; attach the network first")
        for group, kept in zip(self._groups, state["groups"]):
            moments, own = kept["moments"], group.moments
            if isinstance(moments, dict) != isinstance(own, dict) or (not isinstance(own, dict) and moments.shape != own.shape):
                raise ValueError(f"{self}: restore got the moments of another network, expected those of one built alike")
        for group, kept in zip(self._groups, state["groups"]):
            group.settings[...] = kept["settings"]
            if isinstance(group.moments, dict):
                group.moments = copy.deepcopy(kept["moments"])
            else:
                group.moments[...] = kept["moments"]  # in place: they stay aligned
        self._initial[LR], self.epochs, self._memory = state["lr"], state["epochs"], state["memory"].copy()

    def flat_group(self) -> Any:
        """The group of a network whose parameters are one flat vector: what the compiled epoch works on."""
        return self._groups[0] if len(self._groups) == 1 and isinstance(self._groups[0], _Flat) else None

    @classmethod
    def examples(cls) -> list[Optimizer]:
        """Optimizers with settings chosen to matter: what every check of the library runs on."""
        return [cls(lr=0.01)]

    def __repr__(self) -> str:
        parts = []
        for i, (name, parameter) in enumerate(inspect.signature(type(self)).parameters.items()):
            value = self._schedule if i == 0 and self._schedule is not None else getattr(self, name, parameter.default)
            if i == 0 or value != parameter.default:
                parts.append(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "net": None, "_groups": []}


def leaves(module: Any) -> Iterator[Any]:
    """The modules in a container that are none themselves; a module that is none itself."""
    if callable(getattr(module, "leaves", None)):
        yield from module.leaves()
    else:
        yield module


def _has_parameters(module: Any) -> bool:
    if isinstance(module, KernelModule):
        return module.parameter_count > 0
    return getattr(module, "_parameters", None) is not None


def _called(module: Any) -> str:
    """A module in one line."""
    text = repr(module)
    return type(module).__name__ if "\n" in text else text


def _pieces(net: Any, factors: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """The stretches of a flat vector that have one factor: starts and sizes (2 k,), and factors (k,), none of them 0."""
    start = net.place("params")[0] if isinstance(net, KernelModule) else net._range[0]
    holders = [leaf for leaf in leaves(net) if isinstance(leaf, KernelModule) and leaf.parameter_count]
    found: list[tuple[int, int, float]] = []
    for (begin, end), factor in sorted({leaf.place("params"): factors.get(id(leaf), 1.0) for leaf in holders}.items()):
        if found and found[-1][2] == factor:
            found[-1] = (found[-1][0], end - start, factor)
        else:
            found.append((begin - start, end - start, factor))
    moving = [piece for piece in found if piece[2] > 0]
    return np.array([n for a, b, _ in moving for n in (a, b - a)], np.int64), np.array([f for _, _, f in moving])


class _Flat:
    """The flat vector of one of the library's networks, in pieces."""

    def __init__(self, optimizer: Optimizer, net: Any, factors: dict[int, float]) -> None:
        self.optimizer, self.net = optimizer, net
        self.storage = net._storage
        self.params, self.grad = net.parameters, net.gradient
        self.pieces, self.factors = _pieces(net, factors)
        count = optimizer.moment_count
        self.moments = aligned(count * self.params.size, self.params.dtype)
        #: A row for each piece. The first counts the steps where there is none.
        self.settings = np.tile(optimizer._initial, (max(1, len(self.factors)), 1))
        self.base = self.storage.params
        #: What the kernel takes for each piece: all are written in place, so the views stay good.
        self.parts = [
            (self.params[a : a + n], self.grad[a : a + n], self.moments[count * a : count * (a + n)], own)
            for (a, n), own in zip(self.pieces.reshape(-1, 2), self.settings)
        ]

    def check(self) -> None:
        if self.net._storage is not self.storage or self.storage.params is not self.base:
            raise ValueError(
                f"{self.optimizer}: the network was changed by append or astype since attach, "
                "expected optimizer.attach(net) again"
            )

    def forget(self) -> None:
        self.moments[:] = 0
        self.settings[:] = self.optimizer._initial

    def gradients(self) -> list[np.ndarray]:
        return [self.grad[a : a + size] for a, size in self.pieces.reshape(-1, 2)]

    def moving(self) -> list[tuple[np.ndarray, float]]:
        """The arrays that a step may write to, with their factors."""
        return [(self.params[a : a + n], f) for (a, n), f in zip(self.pieces.reshape(-1, 2), self.factors)]

    def step(self, rate: float) -> None:
        kernel = self.optimizer.step_kernel
        for part, factor in zip(self.parts, self.factors):
            part[-1][LR] = rate * factor
            kernel.call(*part)
        if not len(self.factors):
            self.settings[0, STEPS] += 1


class _Plain:
    """A module that is a plain class: an array or a dict of arrays in ``_parameters``, the same in ``_gradient``."""

    def __init__(self, optimizer: Optimizer, module: Any, factor: float) -> None:
        self.optimizer, self.module, self.factor = optimizer, module, factor
        self.settings = optimizer._initial.copy()
        self.moments: dict[Any, np.ndarray] = {}
        self.examined = self.informed = False

    def _pairs(self) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        params, grads = getattr(self.module, "_parameters", None), getattr(self.module, "_gradient", None)
        if params is None or grads is None:
            return []
        if isinstance(params, dict):
            return [(name, params[name], grads[name]) for name in params if grads.get(name) is not None]
        return [(None, params, grads)]

    def check(self) -> None:
        if not self.factor or self._left_to_module():
            return
        name = type(self.module).__name__
        for key, param, grad in self._pairs():
            where = f"{name}._parameters" + ("" if key is None else f"[{key!r}]")
            if not isinstance(param, np.ndarray) or param.dtype.kind != "f":
                came = f"an array of {param.dtype}" if isinstance(param, np.ndarray) else type(param).__name__
                raise TypeError(f"{self.optimizer}: {where} is {came}, expected an array of floats")
            if np.shape(grad) != param.shape:
                raise ValueError(
                    f"{self.optimizer}: {where} has shape {param.shape} and its gradient {np.shape(grad)}, expected the same"
                )
        if not self.examined:
            hidden = _moved_beside_parameters(self.module)
            if hidden:
                raise TypeError(
                    f"{self.optimizer}: {name}.update_parameters moves {', '.join(hidden)} too, which this optimizer cannot "
                    "see; put it in _parameters (a dict of arrays will do), or train with SGD(lr), which calls "
                    "update_parameters"
                )
            self.informed = hidden is not None

    def _left_to_module(self) -> bool:
        return self.optimizer.plain and callable(getattr(self.module, "update_parameters", None))

    def forget(self) -> None:
        self.moments = {}
        self.settings[:] = self.optimizer._initial

    def gradients(self) -> list[np.ndarray]:
        if not self.factor:
            return []
        for key, param, grad in self._pairs():
            if not isinstance(grad, np.ndarray):  # a number, or a list: it could not be scaled in place
                if key is None:
                    self.module._gradient = np.array(grad, param.dtype)
                else:
                    self.module._gradient[key] = np.array(grad, param.dtype)
        return [grad for _, _, grad in self._pairs()]

    def moving(self) -> list[tuple[np.ndarray, float]]:
        """The arrays that a step may write to, with their factors."""
        return [(param, self.factor) for _, param, _ in self._pairs()] if self.factor else []

    def step(self, rate: float) -> None:
        # Only now has there been a gradient that would move what is hidden: `fit` checks before its first backward too.
        self.examined = self.informed
        after = self.settings.copy()
        after[LR], after[STEPS] = rate * self.factor, after[STEPS] + 1
        if self.factor and self._left_to_module():
            self.module.update_parameters(float(after[LR]))
        elif self.factor:
            for key, param, grad in self._pairs():
                dtype = param.dtype if param.dtype in (np.float32, np.float64) else np.dtype(np.float64)
                flat, slope = np.array(param, dtype).reshape(-1), np.array(grad, dtype).reshape(-1)
                moments = self.moments.get(key)
                if moments is None or moments.size != self.optimizer.moment_count * flat.size:
                    moments = self.moments[key] = aligned(self.optimizer.moment_count * flat.size, dtype)
                after = self.settings.copy()
                after[LR] = rate * self.factor
                self.optimizer.step_kernel.call(flat, slope, moments, after)
                param[...] = flat.reshape(param.shape)
        self.settings = after


def _moved_beside_parameters(module: Any) -> list[str] | None:
    """The attributes other than ``_parameters`` whose numbers a plain module's own update_parameters moves.

    Found by trying a copy; None where that tells nothing yet, as before the first backward.
    """
    if not callable(getattr(module, "update_parameters", None)):
        return []
    try:
        trial = copy.deepcopy(module)
        before = _floats_beside_parameters(trial)
        trial.update_parameters(1.0)
        after = _floats_beside_parameters(trial)
    except Exception:  # whatever a stranger's code raises, it is not this check that should report it
        return None
    moved = [key for key, old in before.items() if key in after and not np.array_equal(old, after[key], equal_nan=True)]
    return list(dict.fromkeys(name for name, _ in moved))


def _floats_beside_parameters(module: Any) -> dict[tuple[str, int], np.ndarray]:
    """Copies of a plain module's floating-point numbers, without ``_parameters`` and other names for its memory."""
    params = getattr(module, "_parameters", None)
    known = [v for v in (params.values() if isinstance(params, dict) else [params]) if isinstance(v, np.ndarray)]
    found: dict[tuple[str, int], np.ndarray] = {}
    count: dict[str, int] = {}
    for name, value in held_numbers(module):
        if name != "_parameters" and np.asarray(value).dtype.kind == "f":
            place = count[name] = count.get(name, -1) + 1
            if not any(np.shares_memory(value, array) for array in known):
                found[name, place] = np.array(value)
    return found


def as_optimizer(value: Any) -> Optimizer:
    """The optimizer itself; anything else is a TypeError with advice."""
    if isinstance(value, Optimizer):
        return value
    name = value.__name__ if isinstance(value, type) else repr(value)
    raise TypeError(f"fit: optimizer is {name}, expected an optimizer object such as Adam(lr=1e-3)")


def positive(value: Any, who: str, name: str) -> float:
    """A positive number, else a ValueError or TypeError."""
    return real(value, who, name, "a positive number", lambda v: v > 0)


def not_negative(value: Any, who: str, name: str) -> float:
    """A number from 0 on, else a ValueError or TypeError."""
    return real(value, who, name, "a number that is not negative", lambda v: v >= 0)


def decay_rate(value: Any, who: str, name: str) -> float:
    """How much of a running mean is kept: from 0 up to 1, else a ValueError or TypeError."""
    return real(value, who, name, "from 0 up to 1", lambda v: 0 <= v < 1)
