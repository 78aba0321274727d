"""What optimizers share: one kernel over one flat vector, and the care for modules that are plain numpy classes.

An optimizer does not know the architecture. Its kernel sees the parameters, the gradient and its own moments as vectors, and
its settings by name: the learning rate, the count of steps, the clipping norm, and then its own.

An optimizer of your own is written in the same way: it declares what it keeps for each parameter (`State`) and the arguments
that it is made with, and writes `step` under `operation`:

    class SignDescent(Optimizer):
        average = State("n")                                          # as long as the parameters, zeros at first
        lr: Rate = Rate(default=0.01)
        decay: float = share(default=0.9)

        @operation
        def step(p, g, st, s):                                        # p, g, st.average (n,): parameters and gradient
            s.steps += 1
            average, real = st.average, p.dtype.type                  # numbers of p's type: float32 stays float32
            lr, decay, one = real(s.lr), real(s.decay), real(1.0)
            for i in range(p.size):
                average[i] = decay * average[i] + (one - decay) * g[i]
                p[i] -= lr * np.sign(average[i])

Its constructor follows: ``SignDescent(lr=0.01, decay=0.9, clip_norm=None)``. `Rate`, `share` and their like come from
`modnet.optim.arguments`, `State` and `operation` from `modnet.kernels`. Each step counts itself in ``s.steps``. A class with
arguments of another kind writes ``__init__``, and hands its settings on by name: ``super().__init__(lr, clip_norm,
decay=decay)``.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, dataclass_transform

import numpy as np

from modnet import hints
from modnet.engine.foreign import Foreign
from modnet.engine.storage import has_storage, leaves, writing
from modnet.engine.walk import clip
from modnet.inputs import as_numbers, real, short_repr, whole
from modnet.kernels.declare import Declares
from modnet.kernels.memory import aligned
from modnet.kernels.operation import Kind, Operation
from modnet.module import Module
from modnet.modules.container import Container, require_shared
from modnet.optim.arguments import Argument, ClipNorm, Count, Rate, not_negative, positive, share, switch
from modnet.optim.groups import FlatGroup, PlainGroup
from modnet.optim.schedules import Schedule


@dataclass_transform(field_specifiers=(Rate, ClipNorm, share, positive, not_negative, switch))
class _Constructed(Declares):
    """Classes whose constructors follow from the arguments that they declare, in their order, clip_norm the last."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" not in vars(cls) and any(isinstance(value, Argument) for value in vars(cls).values()):
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]


def _constructor(kind: type[_Constructed]) -> Any:
    """The ``__init__`` of a class, with the signature that its declarations say."""
    settings = {name: setting for name, setting in kind.layout.settings.items() if isinstance(setting, Argument)}
    settings["clip_norm"] = settings.pop("clip_norm")
    place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    arguments = [
        inspect.Parameter(name, place, default=setting.given, annotation=getattr(setting, "annotation", setting.kind))
        for name, setting in settings.items()
    ]
    signature = inspect.Signature([inspect.Parameter("self", place), *arguments])

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        try:
            given = signature.bind(self, *values, **named)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        given.apply_defaults()
        Optimizer.__init__(**given.arguments)
        self.__post_init__()

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__


class GradientNotFinite(ValueError):
    """The norm of a gradient is NaN or infinite, so that clip_norm cannot scale it. Nothing has moved."""

    def __init__(self, optimizer: Any, norm: float) -> None:
        super().__init__(
            f"{optimizer}: the norm of the gradient is {norm}, so clip_norm cannot scale it; no step was taken. "
            "modnet.watch.locate_nan(net, X, y, loss) says where it comes from"
        )
        self.norm = float(norm)


class Optimizer(hints.Explained, _Constructed):
    """Moves the parameters of a network against their gradient.

    Use it in `fit`, or by hand::

        optimizer.attach(net)
        for epoch in range(epochs):
            for x, y in batches:
                net.zero_grad()
                net.backward_update_gradient(x, loss.backward(y, net.forward(x)) / len(x))
                optimizer.step()
            optimizer.epoch_end()  # for a schedule

    For an optimizer of your own, see the top of `modnet/optim/optimizer.py`.

    Parameters
    ----------
    lr : the learning rate, positive, or a `Schedule`.
    clip_norm : the largest norm of the whole gradient; a longer one is scaled down to it. None for no bound.
    own : the other settings of the optimizer, by name.
    """

    lr: Rate = Rate()
    #: Steps taken since `attach`.
    steps = Count()
    clip_norm: ClipNorm = ClipNorm(default=None, kw_only=True)
    #: Arguments chosen to matter.
    tried: ClassVar[tuple[dict[str, Any], ...]] = ({"lr": 0.01},)
    #: Whether `step` needs the loss, as a function, instead of a gradient.
    needs_loss = False
    is_compiled = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.is_compiled = isinstance(getattr(cls, "step", None), Operation)

    def __init__(self, lr: float | Schedule, clip_norm: float | None = None, **own: Any) -> None:
        who = type(self).__name__
        if isinstance(lr, type) and issubclass(lr, Schedule):
            raise TypeError(f"{who}: lr is the class {lr.__name__}, expected an object: {lr.__name__}(...)")
        if (isinstance(lr, Iterable) and not isinstance(lr, str)) or hasattr(lr, "forward"):
            advice = hints.ARGUMENTS["params"]
            raise TypeError(f"{who}: lr is {short_repr(lr)}, expected a positive number or a schedule; {advice}")
        layout = type(self).layout
        self._words = aligned(len(layout.settings), np.float64)
        self._groups: list[FlatGroup | PlainGroup] = []
        self._schedule = lr if isinstance(lr, Schedule) else None
        self._memory = np.empty(0)  # what the schedule remembers
        self._begin()
        given = {"lr": lr.lr if isinstance(lr, Schedule) else lr, "clip_norm": clip_norm, **own}
        for name, setting in layout.settings.items():
            setting.write(self, given.get(name, setting.default))
        self.net: Any = None

    def _begin(self) -> None:
        """Be where the schedule begins."""
        #: Epochs that have ended since `attach`.
        self.epochs = 0
        if self._schedule is not None:
            self._memory = self._schedule.begin()

    def __post_init__(self) -> None:
        """What a class without a constructor of its own has to say of its arguments together."""

    def setting_words(self) -> np.ndarray:
        return self._words

    def __setattr__(self, name: str, value: Any) -> None:
        if name in hints.OPTIMIZER and type(self).__module__.startswith("modnet."):
            hints.missing_attribute(self, name, hints.OPTIMIZER)
        super().__setattr__(name, value)
        at = type(self).layout.words.get(name)
        if at is not None and name not in ("lr", "clip_norm"):  # a step reads its own copy of the others
            for group in self._groups:
                group.settings[..., at] = self._words[at]

    def __getattr__(self, name: str) -> Any:
        return hints.missing_attribute(self, name, hints.OPTIMIZER)

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that the learning rate follows, or None."""
        return self._schedule

    @property
    def plain(self) -> bool:
        """Whether a step is parameters -= lr * gradient and nothing else, which every module can do itself."""
        return False

    def moments(self) -> tuple[str, ...]:
        """Which of the declared states it keeps."""
        return tuple(type(self).layout.states)

    def attach(self, net: Any, rates: Mapping[Any, float] | None = None) -> Optimizer:
        """Take charge of a network's parameters, forgetting earlier steps. Returns the optimizer.

        Parameters
        ----------
        net : a network or a single module.
        rates : factors on the learning rate, by module of the network or by its place: ``{0: 0.0, net[2]: 0.1}`` freezes
            net[0] and lets net[2] learn ten times slower. A container stands for all that is in it, a later entry wins over
            an earlier one, and what is not named has factor 1. What is frozen is not moved by weight decay either, its
            gradient counts for nothing in clip_norm, and its statistics stay as they are.
        """
        if isinstance(net, type) or not callable(getattr(net, "forward", None)):
            raise TypeError(f"{self}: attach got {short_repr(net)}, expected a network: optimizer.attach(net)")
        require_shared(net, self)
        with writing(net, self):  # what is frozen is the network's, whoever trains it
            factors = self._factors(net, rates or {})
            groups: list[FlatGroup | PlainGroup] = []
            if isinstance(net, Container):
                groups.append(FlatGroup(self, net, factors))  # even an empty one: it sees if the network has changed since
                groups.extend(PlainGroup(self, module, factors.get(id(module), 1.0)) for module in net._strangers)
            elif isinstance(net, Module) and has_storage(net):
                groups.append(FlatGroup(self, net, factors))
            else:
                groups.append(PlainGroup(self, net, factors.get(id(net), 1.0)))
            for leaf in leaves(net):
                if isinstance(leaf, Module):
                    leaf._frozen = factors.get(id(leaf), 1.0) == 0
            self.net, self._groups = net, groups
            self._begin()
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
                raise ValueError(f"{self}: rates has {Foreign.name_of(key)}, expected a module of the network, or its place")
            factor = real(value, str(self), f"rates[{Foreign.name_of(key)}]", "a factor that is not negative", lambda v: v >= 0)
            holders = {id(leaf): factor for leaf in own if Foreign(leaf).has_parameters}
            if not holders:
                name = Foreign.name_of(module)
                raise ValueError(f"{self}: rates has {name}, which has no parameters, expected a module with some")
            found.update(holders)
        return found

    def step(self, loss: Callable[[], float] | None = None) -> None:
        """Move the parameters of the attached network once, by its present gradient.

        Parameters
        ----------
        loss : a function that returns the loss at the network's present parameters, for an optimizer that has
            `needs_loss`; the others do not call it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def check_attached(self) -> None:
        """ValueError unless it is attached, and the network is what it was then."""
        if self.net is None:
            raise ValueError(f"{self}: step before attach; call optimizer.attach(net) first")
        for group in self._groups:
            group.check()

    def moving(self) -> list[tuple[np.ndarray, float]]:
        """The arrays that a step may write to, with their factors."""
        return [(array, factor) for array, _, factor in self.arrays()]

    def arrays(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """The same, each with its gradient in the middle."""
        return [triple for group in self._groups for triple in group.arrays()]

    def count_step(self, **others: int) -> None:
        """Count a step that was taken without the kernel, and add to other counts, by name."""
        for group in self._groups:
            group.count_step(1, **others)

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
        """The learning rates of the next `count` steps, if no epoch ends before them: (count,)."""
        if self._schedule is None:
            return np.full(count, self._words[0])
        rates = np.asarray(self._schedule.rates(self.epochs, self.steps + np.arange(count), self._memory), np.float64)
        if rates.shape != (count,) or not np.isfinite(rates).all() or rates.min(initial=0.0) < 0:
            raise ValueError(
                f"{self}: the schedule gave the rates {short_repr(rates.tolist())}, expected {count} finite numbers, "
                "none negative"
            )
        return np.ascontiguousarray(rates)

    def _clip(self) -> None:
        limit = self.clip_norm
        if limit is None:
            return
        if len(self._groups) == 1 and isinstance(self._groups[0], FlatGroup):
            group = self._groups[0]
            norm = clip.call(group.storage.gradient, group.pieces.ctypes.data, len(group.pieces), limit)
        else:
            slopes = [slope for _, slope, _ in self.arrays()]
            norm = float(np.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in slopes)))
            if np.isfinite(norm) and norm > limit:
                for g in slopes:
                    g *= limit / norm
        if not np.isfinite(norm):
            raise GradientNotFinite(self, norm)

    def forget(self) -> None:
        """Begin again with the network and the rates it has: no steps, no epochs, no moments."""
        for group in self._groups:
            group.forget()
        self._begin()

    def fresh(self) -> Any:
        """A copy of it at its first step, without a network."""
        state = {**self.__dict__, "net": None, "_groups": []}
        found = type(self).__new__(type(self))
        found.__dict__.update(copy.deepcopy(state))
        found._begin()
        return found

    def state_dict(self) -> dict[str, Any]:
        """What later steps depend on, apart from the optimizer's arguments: copies, to be given to `load_state_dict`."""
        groups = [{"settings": group.settings.copy(), "moments": copy.deepcopy(group.moments)} for group in self._groups]
        return {
            "kind": type(self).__name__, "settings": self._words.copy(), "has_schedule": self._schedule is not None,
            "epochs": self.epochs, "memory": self._memory.copy(), "groups": groups,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, from an optimizer with the same arguments, attached to such a network.

        Parameters
        ----------
        state : what `state_dict` returned.
        """
        own = self.state_dict()
        if not isinstance(state, Mapping) or not set(own) <= set(state):
            raise ValueError(f"{self}: load_state_dict got {short_repr(state)}, expected what optimizer.state_dict() returned")
        if state["kind"] != own["kind"]:
            raise ValueError(f"{self}: load_state_dict got the state of {state['kind']}, expected one of {own['kind']}")
        if state["has_schedule"] and not own["has_schedule"]:
            raise ValueError(
                f"{self}: load_state_dict got the state of an optimizer with a schedule, expected the same schedule as lr"
            )
        if _shapes(state, "settings") != _shapes(own, "settings") or np.shape(state["memory"]) != np.shape(own["memory"]):
            raise ValueError(f"{self}: load_state_dict got the state of another optimizer or network; attach the network first")
        if _shapes(state, "moments") != _shapes(own, "moments"):
            raise ValueError(f"{self}: load_state_dict got the moments of another network, expected a network built alike")
        words, memory = self._checked_settings(state["settings"]), np.array(state["memory"], np.float64)
        epochs = whole(state["epochs"], str(self), "epochs", 0)
        with writing(self.net, self):
            for group, kept in zip(self._groups, state["groups"]):
                group.settings[...] = kept["settings"]
                if isinstance(group.moments, dict):
                    group.moments = copy.deepcopy(kept["moments"])
                else:
                    group.moments[...] = kept["moments"]
            self._words[:], self._memory, self.epochs = words, memory, epochs
        if not state["has_schedule"]:
            self._schedule = None  # lr was set, which ends it

    def _checked_settings(self, words: Any) -> np.ndarray:
        """The words of settings that were kept; ValueError or TypeError if one is not in its range."""
        if np.shape(words) != self._words.shape:
            raise ValueError(f"{self}: load_state_dict got settings of shape {np.shape(words)}, expected {self._words.shape}")
        holder = self.fresh()
        holder._words[:], holder._schedule = as_numbers(words, self, "settings"), None
        for name, setting in type(self).layout.settings.items():
            if not isinstance(setting, Count):
                setting.checked(self, getattr(holder, name))
        return holder._words

    def flat_group(self) -> Any:
        """The group of a network whose parameters are one flat vector: what the compiled epoch works on."""
        return self._groups[0] if len(self._groups) == 1 and isinstance(self._groups[0], FlatGroup) else None

    @classmethod
    def examples(cls) -> list[Optimizer]:
        """Optimizers with the arguments of `tried`: what every check of the library runs on."""
        return [cls(**arguments) for arguments in cls.tried]

    def __repr__(self) -> str:
        return hints.call_of(self, self.lr if self._schedule is None else self._schedule)

    # A copy has moments of its own on the same network; a deep copy and a pickle take the network along.

    def __copy__(self) -> Any:
        shared = [] if self.net is None else [self.net, *leaves(self.net)]
        return copy.deepcopy(self, {id(module): module for module in shared})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for group in self._groups:  # now, before the network of the copy can change
            with suppress(ValueError):  # it has changed, or belongs to another: the next step says so
                group.check() if isinstance(group, FlatGroup) else None


def _step(operation: Operation) -> Any:
    def step(self: Any, loss: Callable[[], float] | None = None) -> None:
        groups = self._groups
        if len(groups) == 1 and self._schedule is None and groups[0].attempt_step(operation):
            return
        self.check_attached()
        storage = groups[0].storage if groups else None  # a flat vector comes first
        if storage is not None:
            storage.take(self, groups[0].version)
        try:
            rate = float(self._words[0]) if self._schedule is None else self.lr
            if self._words[2]:
                self._clip()
            for group in groups:
                group.step(operation, rate)
        finally:
            if storage is not None:
                storage.lock.release()

    return step


Optimizer.kinds = {"step": Kind("step", _step, Optimizer.step)}  # type: ignore[attr-defined]


def _shapes(state: Mapping[str, Any], name: str) -> list[Any]:
    """The shapes of an array of each group; "dict" for the moments of a plain class."""
    return ["dict" if isinstance(group[name], dict) else np.shape(group[name]) for group in state["groups"]]


def as_optimizer(value: Any) -> Optimizer:
    """The optimizer itself; anything else is a TypeError with advice."""
    if isinstance(value, Optimizer):
        return value
    name = value.__name__ if isinstance(value, type) else repr(value)
    such = hints.such_as(value, "modnet.optim", "lr=1e-3", "Adam(lr=1e-3)")
    raise TypeError(f"fit: optimizer is {name}, expected an optimizer object such as {such}")
