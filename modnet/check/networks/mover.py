"""How a network that moves its own parameters is called: what gives its output, what its parameters are, and what a step is.

What its parameters are is found by asking: the numbers that its output depends on.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.draws import same_draws
from modnet.check.networks.flow import InFunctions, numbers_within, run, within
from modnet.check.networks.left import gives_gradients, go_down
from modnet.check.reading.arguments import asks
from modnet.check.reading.lines import text_of
from modnet.check.reading.vocabulary import REG, is_rate, meaning_of
from modnet.check.styles.modes import is_mode

#: What a stranger's network may end in if it is not called as it should be.
TROUBLE = (Misbehaviour, TypeError, ValueError, AttributeError, IndexError, KeyError, StopIteration)
RATE, COUNT = 0.013, 6  # a rate that nobody writes out, and how many examples
SHORT = 1e-4  # of the rate, by which several steps are as one
_KEPT = re.compile(r"grad|cache|veloc|moment|running|moving|mean|var|std|history|delta", re.I)
_BIAS = re.compile(r"_*(b\d?|bias\w*|biais\w*|intercept_?|beta_?0|theta_?0|w_?0)", re.I)


_MEASURES = re.compile("score|acc|eval|test|plot|valid", re.I)


class Examples(NamedTuple):
    """What a network is asked with.

    Attributes
    ----------
    inputs, truths : as its forward takes them and as its output is: one, a batch, or several, one after another. given : both
        as a step takes them.
    """

    inputs: list[np.ndarray]
    truths: list[np.ndarray]
    given: tuple[Any, Any]


@dataclass(eq=False)
class Mover:
    """A network, and how it takes a step.

    Attributes
    ----------
    net : before the step. forward : the method that gives its output. stages : the methods of a step. examples : that it is
        given. epochs, size : of a training, and of its batches. begins : whether a training begins with first parameters of its
        own. less : of the usual rate; if that is not said, so little that several steps are as one, unless it takes but one.
    """

    net: Any
    forward: str
    stages: Sequence[str]
    examples: Examples
    begins: bool = False
    epochs: int = 1
    size: int = COUNT
    less: float = 0.0

    def __post_init__(self) -> None:
        one = self.epochs == 1 and (len(self.examples.inputs) == 1 or "update" in self.stages[0])
        self.less = self.less or (1.0 if one else SHORT)

    @cached_property
    def by_argument(self) -> bool:
        """Whether a step is given its rate."""
        return any(is_rate(p.name) for stage in self.stages for p in asks(getattr(self.net, stage), by_name=True))

    @cached_property
    def told(self) -> bool:
        """Whether it can be told its rate."""
        return self.by_argument or set_numbers(copied(self.net), RATE, self.epochs)

    def outputs(self) -> list[np.ndarray]:
        """Of each input."""
        return [output_of(self.net, self.forward, x) for x in self.examples.inputs]

    @cached_property
    def held(self) -> dict[str, np.ndarray]:
        """Its parameters before the step, in place, by their places."""
        return parameters_of(self.net, self.forward, self.examples.inputs[0])

    def moves(self, less: float = 1.0) -> dict[str, np.ndarray]:
        """How far a step moves each parameter, by so much less than the usual rate."""
        held, after = self.held, copied(self.net)
        self.step(after, less)
        box(after)
        now = dict(numbers_within(after))
        return {n: a - now[n] for n, a in held.items() if n in now and now[n].shape == a.shape}

    def step(self, net: Any, less: float = 1.0) -> None:
        """Let a network like this one take a step."""
        rate = RATE * less * self.less
        inputs, truths, (x, y) = self.examples
        set_numbers(net, rate, self.epochs, self.size)
        held = {n: a.copy() for n, a in numbers_within(net) if n in self.held}
        out, known = output_of(net, self.forward, inputs[0]), dict[str, Any]()
        values = {
            "epochs": self.epochs, "batch": self.size, "X": x, "y": y, "yhat": out, "rate": rate, "step": 1,
            "pairs": [(x.copy(), y.copy()) for x, y in zip(inputs, truths, strict=True)],
        }  # fmt: skip
        if isinstance(net, InFunctions):
            run(net, net.parts["forward"], {"X": inputs[0]}, known)
            known.pop("")
        if np.shape(y) == out.shape:
            values["delta"] = out - y
        with same_draws():
            for stage in self.stages:
                if not asks(getattr(net, stage), by_name=True):
                    _place(net, {"X": x, "y": y})
                    output_of(net, self.forward, inputs[0])
                run(net, stage, values, known)
        if gives_gradients(net) and not self.by_argument:
            go_down(net, held, known.get(""), self.stages[0], rate)


def set_numbers(net: Any, rate: float, epochs: int, size: int = COUNT) -> bool:
    """Set the rate and the length of a training where they are kept; whether there is such a rate."""
    told = False
    for one in [one for _, one in within(net) if not isinstance(one, np.ndarray)]:
        rates = [n for n, value in vars(one).items() if is_rate(n) and isinstance(value, float)]
        for name, value in list(vars(one).items()):
            if name in rates and (name != "alpha" or (one is net and rates == ["alpha"])):  # which may be a slope
                vars(one)[name], told = rate, True
            elif isinstance(value, float) and (REG.match(name) or (one is net and name == "alpha")):
                vars(one)[name] = 0.0
            elif isinstance(value, int) and (what := meaning_of(name, ("epochs", "batch"))):
                vars(one)[name] = epochs if what == "epochs" else size
    return told


def box(net: Any) -> None:
    """Put each bias that is a plain number into an array, which can be moved in place."""
    for one in [one for _, one in within(net) if not isinstance(one, np.ndarray)]:
        for name, value in list(vars(one).items()):
            if isinstance(value, int | float | np.floating) and not isinstance(value, bool) and _BIAS.fullmatch(name):
                vars(one)[name] = np.array(float(value))


def parameters_of(net: Any, forward: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays that the output for x depends on, in place, by their places and in their order."""
    found = {}
    for place, array in list(numbers_within(net)):
        if _KEPT.search(place) or not array.flags.writeable or array.size > 10**6:
            continue
        start, out = array.copy(), output_of(net, forward, x)
        array += (0.1 + 0.1 * np.abs(array)) * np.linspace(1, 2, array.size).reshape(array.shape)  # a softmax shows no shift
        try:
            if (moved := output_of(net, forward, x)).shape == out.shape and not np.array_equal(moved, out, equal_nan=True):
                found[place] = array
        except Misbehaviour:
            pass
        finally:
            array[...] = start
    now = dict(numbers_within(net))
    return {n: a for n, a in found.items() if now.get(n) is a}  # what forward puts there anew is none


class _Noted(np.ndarray):
    """An array that notes what is computed from it."""

    log: list[np.ndarray] | None = None

    def __array_finalize__(self, obj: Any) -> None:
        self.log = getattr(obj, "log", None)
        if self.log is not None:
            self.log.append(self)


def _is_used(kind: type, name: str) -> bool:
    """Whether a method is called by another of its class that does more than measure: a perceptron learns by its classes."""
    others = [n for n, _ in inspect.getmembers(kind, inspect.isfunction) if n != name and not _MEASURES.search(n)]
    return any(re.search(rf"self\.{name}\(", text_of(getattr(kind, n))) for n in others)


def _chosen_by(method: Callable[[Any], Any], x: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """The last numbers that a method has computed of an input, if they say which classes it gives; else None."""
    noted = x.copy().view(_Noted)
    log: list[np.ndarray] = []
    noted.log = log
    with suppress(*TROUBLE):
        call("predict", lambda: method(noted))
    made = [np.array(a) for a in log if a.dtype.kind == "f" and a.ndim and not np.shares_memory(a, noted)]
    if not made or not (numbers := made[-1]).size:
        return None
    if numbers.shape == classes.shape:
        low, high = numbers[classes == classes.min()], numbers[classes > classes.min()]
        return numbers if not high.size or low.max() <= high.min() else None
    axis = next((k for k in range(numbers.ndim) if np.array_equal(numbers.argmax(axis=k).ravel(), classes.ravel())), None)
    return None if axis is None else numbers


def _place(net: Any, values: dict[str, np.ndarray]) -> None:
    """Put input and truth where a network keeps them that is given them beforehand."""
    for name, held in list(vars(net).items()):
        if isinstance(held, np.ndarray) and (what := meaning_of(name, values)):
            vars(net)[name] = values[what].copy()


def output_of(net: Any, name: str, x: np.ndarray) -> np.ndarray:
    """The output; of a network that is given its input beforehand, as where it keeps it."""
    method = getattr(net, name)
    given = asks(method)
    if isinstance(net, InFunctions):
        found = run(net, name, {"X": x.copy()}, {})
    elif given:
        named = {p.name: False for p in given[1:] if is_mode(p.name)}
        found = call(f"{type(net).__name__}.{name}", lambda: method(x.copy(), **named))
    else:
        _place(net, {"X": x})
        found = call(f"{type(net).__name__}.{name}", method)
    if found is None:
        held = vars(net).items()
        found = next((v for n, v in held if isinstance(v, np.ndarray) and meaning_of(n, ("yhat", "outputs"))), None)
    if isinstance(found, list) and all(isinstance(v, int | np.integer) for v in found):
        found = np.array(found, int)
    if isinstance(found, np.ndarray) and found.dtype.kind in "iub":
        alone = given and not isinstance(net, InFunctions) and not _is_used(type(net), name)
        if alone and (numbers := _chosen_by(method, x, found)) is not None:
            return numbers
        text = f"{type(net).__name__}.{name} gives classes, and no method gives the numbers by which they are chosen"
        raise Misbehaviour("unknown", text)
    if isinstance(found, dict):  # what each layer gave: A0, A1, ...
        held = [v for n, v in found.items() if isinstance(v, np.ndarray) and str(n)[:1].lower() == "a"]
        found = held or list(found.values())
    while isinstance(found, tuple | list) and found:  # the output and what is kept, or the outputs of all layers
        alone = not isinstance(found[0], np.ndarray) or not all(isinstance(v, np.ndarray) for v in found)
        found = found[0 if alone else -1]
    return np.asarray(found, dtype=float)
