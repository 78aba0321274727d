"""How objects of a stranger's class are built, in any size: arguments by what their names mean, and an input to go with them.

A class with windows is built with other windows, strides, paddings, channels and pictures by the same recipe, so that what was
right in one size can be tried in another. Layers that are given their input's shape, by the constructor or by a method such
as ``initialize(input_shape)``, and layers that are given an activation as a function are built here too.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.building.constructors import USUAL, name_of, roles_of, unmeant
from modnet.check.building.handed import Stepper, drawn, straight
from modnet.check.reading.arguments import NotBuilt, needs
from modnet.check.reading.lines import words_compared
from modnet.check.reading.vocabulary import is_rate, meaning_of

Shape = tuple[int, ...]
_CONNECTS = re.compile(r"^(connect|link|attach)(_?(to|layers?))?$|^add_?(son|child|parent|successor|next|prev)", re.I)
_PREPARES = re.compile(
    r"^_?(initiali[sz]e(_?(weights|param(eter)?s))?|build|compile|prepare(_?layer)?|set_?up|set_?input(_?(shape|size))?|init(_?(weights|param(eter)?s))?|"
    r"make_?first(_?layer)?)$",
    re.I,
)
#: Options that are 0 unless somebody regularises.
PENALTY = re.compile(r"(^|_)(l1|l2|reg\w*|lambda\w*|lambd|weight_decay)(_|$)", re.I)
_OF_SHAPE = re.compile(r"(shape|dims?|size|^(n_?|num_?|fan_?)?in(puts?|_?features)?)$", re.I)


#: Along which axis the examples of an input lie: (batch, ...), (..., batch), or (features, batch, time).
LAYOUTS = {"rows": 0, "columns": -1, "middle": 1}


class Size(NamedTuple):
    """One size of a layer with windows: k and stride as numbers, padding a number or "same", sides of the picture."""

    k: int
    stride: int
    chan_in: int
    chan_out: int
    padding: int | str = 0
    sides: Shape = ()
    batch: int = 3

    def __str__(self) -> str:
        sides = " by ".join(map(str, self.sides))
        padding = f", padding={self.padding!r}" if self.padding else ""
        several = f"{self.chan_in} channel{'s' * (self.chan_in > 1)}"
        channels = several if self.chan_in == self.chan_out else f"{self.chan_in} to {self.chan_out} channels"
        return f"windows of {self.k}, stride={self.stride}{padding}, {channels}, input {sides}"


def as_integers(shape: Shape, count: int = 3) -> np.ndarray:
    """Integers below a count, in turn."""
    return (np.arange(int(np.prod(shape))) % count).reshape(shape)


@dataclass(eq=False)
class Recipe:
    """A way to build objects of a class.

    Parameters
    ----------
    cls : the class, or a function that builds one. first : whether channels come first. single : whether it takes one
        example, without an axis for the batch. paired : 1 if windows are given as pairs, 2 if strides are, too. dims : 1 for
        signals, 2 for pictures, 0 for what has no windows. square : whether a matrix that is given has as many columns as rows.
        strict : whether it must take every size, as the statement's do, which have no padding. shaped : whether the sizes of
        its input and its output are given as the shapes of one example. axis : along which examples lie, one of `LAYOUTS`: if
        they are columns, a matrix is (features, batch). whole : whether it takes integers. gates : of a recurrent layer that is
        given its weights, how many. guess : what is given for arguments that mean nothing known; of a number, inputs have as
        many features. filled : whether sizes that are None by default are given. bare : whether a method that is told a shape
        is told that of one example, though it takes that of a batch, too.
    """

    cls: Any
    first: bool = True
    single: bool = False
    paired: int = 0
    dims: int = 0
    square: bool = False
    strict: bool = False
    shaped: bool = False
    axis: int = 0
    whole: bool = False
    gates: int = 1
    guess: Any = None
    filled: bool = False
    bare: bool = False

    def __post_init__(self) -> None:
        cls, dims, shaped = self.cls, self.dims, self.shaped
        self.arrays = array_arguments(cls)
        self.parameters = inspect.signature(cls).parameters
        idle, unknown = unmeant(cls, self.arrays)
        required = [n for n, p in self.parameters.items() if p.default is p.empty and n not in self.arrays]
        words = {n: _words(cls, n) for n in required}
        self.chosen = {n: found for n, found in words.items() if found}  # what is chosen by a word, one of the author's
        guessed = dict.fromkeys(unknown, self.guess) if self.guess is not None else {}
        self.anything = dict.fromkeys(idle) | guessed | {n: found[0] for n, found in self.chosen.items() if n in unknown}
        roles = roles_of(cls, without=[*self.arrays, *self.anything])
        if roles is None or any(role.split()[0] in ("shape", "out_shape") and not (dims or shaped) for role in roles):
            asked = ", ".join(p.name for p in self.parameters.values() if p.default is p.empty)
            raise NotBuilt(f"{self.name}({asked}): give an example with --make")
        self.roles: dict[str, str] = roles
        self.words = _words(cls, roles.get("activation", "activation"))  # of an activation that is chosen by its name
        self.word = next(iter(self.words), "")
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            if _CONNECTS.match(name) and (told := list(inspect.signature(method).parameters)[1:]):
                raise NotBuilt(f"{self.name} is told its neighbours first, by {name}({', '.join(told)}): give --make")

    @property
    def name(self) -> str:
        """What builds them is called so."""
        return name_of(self.cls)

    def takes(self, role: str) -> bool:
        """Whether the constructor has an argument of this role."""
        if self.strict and role == "padding":
            return False
        by_shape = role == "chan_out" and "out_shape" in self.roles and "conv" in self.name.lower()
        by_shape = by_shape or (role in ("k_size", "chan_in") and "volume" in self.roles)
        return role in self.roles or by_shape or (bool(self.arrays) and role in ("chan_in", "chan_out"))

    @property
    def layout(self) -> str:
        """How examples lie in what it is given: a name of `LAYOUTS`, or "single" if it is given one without an axis."""
        return "single" if self.single else next(name for name, axis in LAYOUTS.items() if axis == self.axis)

    @property
    def unset(self) -> list[str]:
        """The sizes that are None by default, if they are to be given."""
        sizes = ("input", "output", "features", "shape", "classes", "chan_in", "chan_out", "k_size")
        found = [n for role, n in self.roles.items() if role.split()[0] in sizes and self.parameters[n].default is None]
        return found if self.filled else []

    @property
    def features(self) -> int:
        """How many features come in: as many as are guessed, or several for each head of an attention."""
        usual: int = USUAL["features"]
        return self.guess if isinstance(self.guess, int) else usual * self.heads

    @property
    def heads(self) -> int:
        """How many heads an attention has; 1 for anything else."""
        return int(USUAL["heads"]) if "heads" in self.roles else 1

    def takes_same(self) -> bool:
        """Whether padding is said in words, "valid" or "same"."""
        name = self.roles.get("padding")
        return name is not None and isinstance(self.parameters[name].default, str)

    def input_shape(self, size: Size | Shape) -> Shape:
        """The shape of an input for this size."""
        if not isinstance(size, Size):
            return size
        inner = self._example(size.chan_in, size.sides)
        return inner if self.single else (size.batch, *inner)

    def input(self, size: Size | Shape) -> np.ndarray | Shape:
        """An input for this size if it must be integers, else its shape."""
        shape = self.input_shape(size)
        return as_integers(shape) if self.whole else shape

    def _example(self, channels: int, sides: Shape) -> Shape:
        """The shape of one example."""
        return (channels, *sides) if self.first else (*sides, channels)

    def build(
        self, size: Size | Shape, activation: Callable[..., Any] | None = None, options: dict[str, Any] | None = None
    ) -> Any:
        """An object in this size; what its constructor raises is a `Misbehaviour`.

        Parameters
        ----------
        size : of a layer with windows, else the shape of an input. activation : for one that takes it, if that is to be tried.
        """
        np.random.seed(1)  # noqa: NPY002
        random.seed(1)
        shape = self.input_shape(size)
        required = {n for n, p in self.parameters.items() if p.default is p.empty or n in self.unset}
        example = shape if self.single else shape[1:]
        values: dict[str, Any] = {**USUAL, "shape": example, "init": drawn, "optimizer": Stepper()}
        if self.shaped:
            same = re.search("shape|flat", self.name, re.I)
            values |= {"input": example, "output": (int(np.prod(example)),) if same else (2,)}
        else:
            values |= {"input": self.features, "features": self.features}
        values["activation"] = self.word or activation or straight
        values["derivative"] = getattr(values["activation"], "derivative", None)
        sure = {"activation", "derivative"} if activation is not None else set()
        if isinstance(size, Size):
            of_size = self._of_size(size)
            values |= of_size
            sure |= of_size.keys() - ({"padding", "out_shape"} if self.strict else {"out_shape"})
        names = {n: role.split()[0] for role, n in self.roles.items()}
        sure |= {"drop"} if any(p.default == 0.5 for p in self.parameters.values()) else set()  # it hides which share is kept
        sure |= {"heads"}  # with one head, what is mixed up among several does not show
        given = {n: values[role] for n, role in names.items() if n in required or role in sure}
        given |= {n: found[0] for n, found in self.chosen.items() if names.get(n) == "init"}
        if (handed := _of_base(self.cls)) is not None:
            given[handed] = example
        windowed = size if isinstance(size, Size) else None
        given |= self.anything | drawn_arrays(self.arrays, windowed, self.dims, self.square, self.gates)
        made = call(f"{self.name}(...)", lambda: self.cls(**given | (options or {})))
        prepare(made, example if self.bare else laid_out(np.empty(shape), self.axis).shape, example)
        return made

    def _of_size(self, size: Size) -> dict[str, Any]:
        """What a size says of windows, by role: numbers, or pairs of them."""
        strided, padded = (self.parameters.get(self.roles.get(role, "")) for role in ("stride", "padding"))
        pairs = self.paired == 2 or (self.paired == 1 and strided is not None and is_pair(strided))
        padding: Any = (size.padding or "valid") if self.takes_same() else size.padding
        if pairs and padded is not None and not isinstance(padded.default, int | str):
            padding = (size.padding,) * self.dims
        without_padding = tuple((n - size.k) // size.stride + 1 for n in size.sides)
        return {
            "k_size": (size.k,) * self.dims if self.paired else size.k,
            "volume": self._example(size.chan_in, (size.k,) * self.dims),
            "stride": (size.stride,) * self.dims if pairs else size.stride,
            "padding": padding,
            "chan_in": size.chan_in,
            "chan_out": size.chan_out,
            "out_shape": self._example(size.chan_out if self.takes("chan_out") else size.chan_in, without_padding),
        }


def _words(make: Callable[..., Any], name: str) -> list[str]:
    """The words that an argument of a class, or of a function that builds one, may be, by the lines that compare it.

    But for a softmax, which couples what others leave apart.
    """
    read = make.__mro__[:-1] if isinstance(make, type) else (make,)
    return list(dict.fromkeys(w for each in read for w in words_compared(each, name) if "soft" not in w))


def waits_for(cls: type) -> str:
    """A method by which somebody else sets up a layer first, with what only they know, such as compile(loss, data)."""
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        asked = needs(method) if _PREPARES.match(name) else []
        if any(not _OF_SHAPE.search(n) and _told(n, (1,)) is None for n in asked):
            return name
    return ""


def laid_out(batch: np.ndarray, axis: int) -> np.ndarray:
    """A batch (batch, ...) with its examples along another axis."""
    return np.moveaxis(batch, 0, axis).copy() if batch.ndim > 1 else batch


def in_rows(array: Any, axis: int) -> Any:
    """What lies along another axis as a batch (batch, ...); what is no array, or has one axis, as it is."""
    return np.moveaxis(array, axis, 0).copy() if isinstance(array, np.ndarray) and array.ndim > 1 else array


def is_told_a_shape(cls: type) -> bool:
    """Whether there is a method by which a layer is told a shape, of its input or of one example."""
    methods = [method for name, method in inspect.getmembers(cls, inspect.isfunction) if _PREPARES.match(name)]
    return any("shape" in name.lower() for method in methods for name in list(inspect.signature(method).parameters)[1:2])


def prepare(made: Any, shape: Shape, example: Shape | None = None) -> None:
    """Tell a layer the shape of its input, with the batch or of one example, by the attribute or the method it has for it."""
    example = shape[1:] if example is None else example
    for name, value in list(getattr(made, "__dict__", {}).items()):
        if value is None and re.fullmatch("_*(in|input)_?(shape|dims?)", name, re.I):
            setattr(made, name, example)
    for name, method in inspect.getmembers(type(made), callable):
        if not _PREPARES.match(name):
            continue
        asked = [p for p in list(inspect.signature(method).parameters.values())[1:] if p.kind is p.POSITIONAL_OR_KEYWORD]
        if all(p.default is not p.empty for p in asked) and not any(_OF_SHAPE.search(p.name) for p in asked[:1]):
            try:
                call(name, getattr(made, name))
            except Misbehaviour as problem:
                if "AssertionError" in problem.message:
                    raise  # a size that it refuses
            continue
        told = [_told(p.name, example) for p in asked if p.default is p.empty]
        if told and None not in told:
            call(name, getattr(made, name), *told)
            continue
        if asked and _OF_SHAPE.search(asked[0].name) and all(p.default is not p.empty for p in asked[1:]):
            ways: list[Any] = [shape, example] if "shape" in asked[0].name.lower() else [example]
            if len(example) == 1 and len(ways) == 1:
                ways.insert(0, example[0])  # how many numbers, by that name
            for way in ways:
                try:
                    call(name, getattr(made, name), way)
                    return
                except Misbehaviour:
                    if way is ways[-1]:
                        raise


def _told(name: str, example: Shape) -> Any:
    """What an argument of a method that sets a layer up is: an optimizer, how many features come in, a rate of 1, no penalty.

    None if it is none of them.
    """
    if len(example) == 1 and not _OF_SHAPE.search(name) and meaning_of(name, ("input", "features")):
        return example[0]
    if meaning_of(name, ("optimizer",)):
        return Stepper()
    return 1.0 if is_rate(name) else 0.0 if PENALTY.search(name) else None


def _of_base(cls: Callable[..., Any]) -> str | None:
    """The argument for the shape of the input that a class hands on to its base class by **kwargs, as Keras has it."""
    if not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values()):
        return None
    for base in getattr(cls, "__mro__", ())[1:-1]:
        if inspect.isfunction(own := vars(base).get("__init__")):
            return next((n for n in inspect.signature(own).parameters if re.fullmatch("(in|input)_?(shape|dims?)", n)), None)
    return None


_ARRAYS = re.compile(r"(w|weights?)(_?(x|in|input|h|hid|hidden))?|b|bias(es)?|gamma|beta", re.I)
STATE = 2  # how many numbers a hidden state has
_OF_STATE = re.compile(r"(w|weights?)_?h\w*", re.I)


def array_arguments(cls: Callable[..., Any]) -> list[str]:
    """The arguments of a class that is given its parameters themselves, as W, b or gamma, beta; none if it is not."""
    try:
        given = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return []
    required = [p.name for p in given if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    return required if all(map(_ARRAYS.fullmatch, required)) else []


def has_state(names: Iterable[str]) -> bool:
    """Whether there are weights of a hidden state among arguments, Wx and Wh, as a recurrent layer has them."""
    return any(map(_OF_STATE.fullmatch, names))


def drawn_arrays(
    names: list[str], size: Size | None, dims: int, square: bool = False, gates: int = 1
) -> dict[str, np.ndarray]:
    """Parameters of these names, away from zero: filters (out, in, k, ...) for windows, else (3, 2) and (2,), or square.

    Of a recurrent layer with so many gates, (3, 2 gates), (2, 2 gates) and (2 gates,).
    """
    rng, wide = np.random.default_rng(1), 3 if square else STATE * gates
    weights: Shape = (3, wide) if size is None else (size.chan_out, size.chan_in, *(size.k,) * dims)
    bias: Shape = (wide,) if size is None else (size.chan_out,)
    found = {}
    for name in names:
        shape = weights if name[0] in "wW" else (3,) if name.lower() in ("gamma", "beta") else bias
        shape = (STATE, wide) if _OF_STATE.fullmatch(name) else shape
        found[name] = rng.uniform(0.3, 1.2, shape) * rng.choice([-1, 1], shape)
    return found


def is_pair(argument: inspect.Parameter) -> bool:
    """Whether an argument is a tuple, by its default or its annotation."""
    return isinstance(argument.default, tuple) or "tuple" in str(argument.annotation).lower()


def recipes_for(cls: type, updates: bool, layout: str = "") -> Iterator[tuple[Recipe, Size]]:
    """Ways to build a class with windows, and a size for each, the likeliest first; none if it has no windows.

    Windows side by side come first: what is wrong with other windows shows beside what is right with these. Without a layout,
    examples are the last axis if they are not the first.
    """
    arrays = array_arguments(cls)
    roles = roles_of(cls, without=arrays) or {}
    if not {"k_size", "volume"}.intersection(roles) and not (arrays and "stride" in roles):
        return
    word, signature = cls.__name__.lower(), inspect.signature(cls).parameters
    dimensions = [1] if "1d" in word else [2] if "2d" in word or arrays or "shape" in roles else [2, 1]
    singles = [True, False] if updates else [False, True] if "shape" in roles else [False]
    as_pair = "k_size" in roles and is_pair(signature[roles["k_size"]])
    axes = (LAYOUTS.get(layout, 0),) if layout else (0, -1)
    for axis, dims in product(axes, dimensions):
        stride = 2 if "stride" in roles or "chan_in" not in roles else 1
        pairings, channels = (1, 2, 0) if as_pair else (0, 2, 1), ((2, 3), (2, 2), (1, 2), (1, 1))
        for single, paired, first, (chan_in, chan_out) in product(singles, pairings, (True, False), channels):
            if single and axis:
                continue
            yield Recipe(cls, first, single, paired, dims, axis=axis), Size(2, stride, chan_in, chan_out, sides=(6, 6)[:dims])
