"""Ways to build a layer's class of another style and to give it an input, and the one that is taken.

An object is built by a recipe (`modnet.check.building.recipes`), windows side by side first. What cannot be built without a
guess is not checked, and what is raised says what would help.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from modnet.check.asking import older
from modnet.check.asking.arrays import arrays_within
from modnet.check.asking.calls import Misbehaviour, tried
from modnet.check.asking.subject import Subject
from modnet.check.building.choosing import chosen
from modnet.check.building.constructors import USUAL, roles_of
from modnet.check.building.recipes import LAYOUTS, Recipe, Shape, Size, has_state, is_told_a_shape, recipes_for, waits_for
from modnet.check.modules.check import as_input
from modnet.check.reading.arguments import NotBuilt, needs, takes_arrays
from modnet.check.reading.definitions import FUNCTIONS, plain_name
from modnet.check.reading.lines import set_elsewhere
from modnet.check.reading.vocabulary import FORWARD
from modnet.check.styles.adapters import subject_of, updates_itself
from modnet.check.styles.called import Called
from modnet.check.styles.layer_calls import methods_of
from modnet.check.styles.loss_calls import is_of_functions

Way = tuple[Recipe, Size | Shape]
LINE: Shape = (4, 3)
_PLACES: Shape = (6,)
_SIGNAL: Shape = (2, 4, 3)
_IMAGE: Shape = (2, 3, 4, 5)
#: What mixes examples by its name.
#: What is raised where a function of one number is given an array.
OF_ONE = re.compile(r"truth value of an array|only (0-dimensional|size-1|length-1)|must be real number")
_NORMS = re.compile(r"batch_?norm|^bn", re.I)


def attempts(cls: type, layout: str = "", guess: Any = None) -> Iterator[Way]:
    """Ways to build a class and what to give it, the likeliest first; what is told a shape is told that of a batch first."""
    found = []
    for way in _attempts(cls, layout, guess):
        found.append(way)
        yield way
    if is_told_a_shape(cls):
        yield from ((replace(recipe, bare=True), size) for recipe, size in found if not recipe.single)


def _attempts(cls: type, layout: str, guess: Any) -> Iterator[Way]:
    """The same, told the shape of a batch.

    Parameters
    ----------
    layout : of `LAYOUTS`, or "single", or "row", one example as a row, if examples are to be given so.
    """
    updates, word = updates_itself(cls), cls.__name__.lower()
    windowed = list(recipes_for(cls, updates, layout))
    yield from windowed
    if windowed:
        return
    recipe_of, shaped = partial(Recipe, cls, guess=guess), by_shapes(cls)
    plain = recipe_of()
    if "flat" in word:
        shapes = [LINE, _IMAGE, _SIGNAL]
    elif "2d" in word:
        shapes = [_IMAGE]
    elif "1d" in word:
        shapes = [LINE, (2, 3, 5)]
    elif re.search("conv|pool", word) or "chan_in" in plain.roles:
        shapes = [(2, 2, 6, 4), (2, 6, 4, 2), (LINE[0], USUAL["chan_in"])]  # or what calls its features channels
    else:
        shapes = [LINE, _SIGNAL, _IMAGE]
    if "output" in plain.roles and not {"input", "features"} & plain.roles.keys():
        shapes.append((LINE[0], USUAL["output"]))  # what is only told how many come out takes as many
    if plain.features != USUAL["features"]:
        shapes = [tuple(plain.features if n == USUAL["features"] else n for n in shape) for shape in shapes]
    if layout == "row":
        yield plain, (1, LINE[1])
        return
    if layout == "single":
        yield from ((recipe_of(single=True, shaped=shaped), shape[1:]) for shape in shapes)
        return
    others = [axis for name, axis in LAYOUTS.items() if axis and (layout == name or not (layout or is_of_functions(cls)))]
    # more examples than numbers elsewhere, so that none passes for another
    elsewhere = [(recipe_of(axis=axis), (5, *shape[1:])) for axis in others for shape in shapes if len(shape) > 1 + (axis == 1)]
    if layout not in ("", "rows"):
        yield from elsewhere
        return
    if has_state(plain.arrays):
        yield from ((recipe_of(gates=gates), shape) for shape in (_SIGNAL, LINE) for gates in (1, 4, 3))
        return
    if not layout and _by_columns(plain):
        yield plain, (5, plain.features, 1)
    for shape in shapes:
        yield plain, shape
    for recipe in (recipe_of(filled=True), recipe_of(filled=True, shaped=True)):
        yield from ((recipe, shape) for shape in shapes if recipe.unset)
    if shaped:
        yield from ((recipe_of(shaped=True), shape) for shape in shapes)
    if not layout and (shaped or "flat" not in word):  # what is flat comes out of one example in any way
        yield from ((recipe_of(single=True, shaped=shaped), shape[1:]) for shape in shapes)  # one, without an axis
    if plain.arrays:
        yield recipe_of(square=True), LINE
    if updates and not layout:
        yield from ((plain, shape) for shape in ((LINE[1], 1), (1, LINE[1])))  # one example, a column or a row
    yield from elsewhere


def _by_columns(recipe: Recipe) -> bool:
    """Whether all parameters are matrices behind an axis of 1, as for a batch of columns (batch, features, 1)."""
    made = tried(recipe.build, LINE)
    held = [array for _, array in arrays_within(made)]
    return bool(held) and all(array.ndim == 3 and array.shape[0] == 1 for array in held)


def way_for(cls: type, layout: str = "", guess: Any = None) -> Way:
    """The first way to build a class in which it goes forward and back; else forward; a `Misbehaviour` if none does.

    With windows, the channels must come out where the recipe has them. What refuses numbers is given integers. Along which
    axis examples lie is asked of the layer (`Called.layouts`); `Unsettled` if it goes both ways, and mixes what is given so.
    """
    unset: list[str] = []
    refused: list[str] = []
    asserted: list[str] = []
    mixed: list[str] = []

    def subject(way: Way) -> Subject:
        return subject_of(way[0].build(way[1]), as_input(way[0].input(way[1])), way[0])

    def ways() -> Iterator[Way]:
        integers = ((Recipe(cls, whole=True, guess=guess), shape) for shape in (_PLACES, LINE))
        named = re.search("embedding$", cls.__name__, re.I) is not None
        yield from integers if named else ()
        yield from attempts(cls, layout, guess)
        odd = ((recipe, size._replace(k=3)) for recipe, size in recipes_for(cls, updates_itself(cls), layout))
        yield from odd if asserted else ()  # windows that have a middle
        yield from integers if refused else ()

    def forgive(problem: Misbehaviour) -> bool:
        if problem.kind == "foreign":
            raise NotBuilt(f"{problem.message}: it works with objects of its author's own, not with arrays") from problem
        refused.extend(_INTEGERS.findall(problem.message))
        asserted.extend(re.findall(r"\(\.\.\.\) raises AssertionError", problem.message))
        if by_guess(problem.message) or problem.kind == "shape" or _UNBOUND in problem.message:
            return True
        if set_elsewhere(cls, forward_of(cls), problem.message):
            raise NotBuilt(f"{problem.message}: somebody else sets it first. Give an example with --make") from problem
        return False

    def rank(made: Subject, way: Way) -> int | None:
        recipe, size = way
        if isinstance(size, Size) and not _in_place(made, recipe, size):
            return None
        if by_shapes(cls) and not isinstance(size, Size) and not _as_named(made, cls):
            return 1
        if recipe.whole or (problem := stopped(made)) is None:
            unset.clear()
            return int(not recipe.whole and _lies_otherwise(made, recipe, mixed))
        lacks = _UNSET.search(problem.message) or ("KeyError" in problem.message and waits_for(cls))
        unset.extend([f"{problem.message}: what somebody else sets first. Give an example with --make"] if lacks else [])
        if isinstance(made, Called) and made.guessed and by_guess(problem.message):
            beside = ", ".join(made.more)
            unset.append(f"{problem.message}, with what was tried for {beside} of forward, whose shape is not known")
        return 1

    def give_up(problems: list[tuple[Way, Misbehaviour]]) -> Way:
        first = problems[0][1] if problems else None
        if unbound := [p for _, p in problems if _UNBOUND in p.message]:
            raise unbound[0]  # in another input, too
        asks_more = first is not None and re.search(r"forward\(\) missing \d+ required", first.message)  # a layer of two inputs
        of_one = first is not None and OF_ONE.search(first.message) is not None  # a function of one number
        of_one = of_one or not takes_arrays(getattr(cls, forward_of(cls)))
        if first is not None and ((_sure(cls) and not of_one) or first.kind == "shape") and not asks_more:
            raise first
        takes = f"{forward_of(cls)}({', '.join(_arguments(cls))}) gives nothing that fits its input"
        why = takes if first is None else first.message
        raise NotBuilt(f"no input was found that it takes: {why}. Give an example with --make, --shape")

    found = chosen(ways(), subject, rank, give_up, forgive)
    if unset:
        raise NotBuilt(unset[0])
    if mixed and not layout:
        raise Unsettled(mixed[0])
    return found


class Unsettled(NotBuilt):
    """Along which axis the examples lie cannot be told from the layer alone."""


def _lies_otherwise(made: Subject, recipe: Recipe, mixed: list[str]) -> bool:
    """Whether examples lie along another axis than the recipe has; noted if it would take them along this one, and mix them."""
    if not isinstance(made, Called) or (recipe.dims and recipe.single) or _NORMS.search(made.name):
        return False
    found = made.layouts()
    apart, layout = [name for name, alone in found.items() if alone], recipe.layout
    if not apart or layout in apart:
        return False
    if layout in found:
        mixed.append(f"its examples may be {layout}, which it mixes, or {apart[0]}, which it does not: nothing here says which")
    return True


def _in_place(subject: Subject, recipe: Recipe, size: Size) -> bool:
    """Whether the result has its channels where the input has them."""
    out = subject.out
    channels = size.chan_out if recipe.takes("chan_out") else size.chan_in
    if out.ndim != subject.x.ndim:
        return out.ndim == 2  # such as one that flattens
    axes: list[int] = list(out.shape[1:])
    found = axes.pop(0) if recipe.first else axes.pop()
    sized = list(zip(axes, size.sides, strict=True))
    alike = len(set(axes)) == len(set(size.sides))  # pictures are squares here
    wider = re.search("trans|deconv|upconv|unpool", recipe.cls.__name__, re.I) is not None
    return found == channels and alike and all(n < side or size.k == 1 or n == side or wider for n, side in sized)


def by_shapes(cls: type) -> bool:
    """Whether a class asks for the shape of its input, by that name."""
    return any(re.search("shape", name, re.I) for name in needs(cls))


def _as_named(subject: Subject, cls: type) -> bool:
    """Whether it is what its name says, if that says anything: a softmax of one example is none of a batch."""
    wanted = FUNCTIONS.get(plain_name(cls))
    return wanted is None or bool(np.allclose(wanted(subject.x).ravel(), subject.out.ravel(), rtol=1e-6, atol=1e-9))


def _sure(cls: type) -> bool:
    """Whether a class asks for nothing but the numbers of its inputs and outputs: then a crash is its own."""
    roles = roles_of(cls)
    required = needs(cls)
    if by_shapes(cls):
        return False
    if not required and not is_of_functions(cls) and {plain_name(cls)} & {*FUNCTIONS, "leakyrelu", "elu"}:
        return True  # a function of any numbers
    return bool(required) and roles is not None and {r for r, n in roles.items() if n in required} == {"input", "output"}


def forward_of(cls: type) -> str:
    """The name of the method that goes forward."""
    methods = methods_of(cls)
    return methods.value if methods is not None else FORWARD


def _arguments(cls: type) -> list[str]:
    names = list(inspect.signature(getattr(cls, forward_of(cls))).parameters)
    return names if is_of_functions(cls) else names[1:]


def stopped(subject: Subject) -> Misbehaviour | None:
    """What is in the way of going back; None if it answers in the shape of the input."""
    try:
        shape = subject.delta(subject.x, subject.weights(2)).shape
    except Misbehaviour as problem:
        return problem
    return None if shape == subject.x.shape else Misbehaviour("shape", f"it comes back in shape {shape}")


#: What is raised where something is None that somebody else is to set first, such as an optimizer.
_UNSET = re.compile(
    r"AttributeError: 'NoneType' object has no|AssertionError.*(undefined|not (been )?set|is None|first|missing)", re.I
)
#: What is raised after a loop that an input of another layout never enters, or by a mistake.
_UNBOUND = "UnboundLocalError"
#: What is raised where an input is used as a place, as in an embedding.
_INTEGERS = re.compile(r"must be (?:of )?integer|only integers|integer scalar array|cannot be interpreted as an integer")


def by_guess(message: str) -> bool:
    """Whether a crash may come from arguments or an input that were guessed: a name that does not exist does not."""
    if "abstract class" in message:
        return False
    if re.search(r"\w\(\.\.\.\) raises NotImplementedError", message):
        return True  # of a choice that is not there: the author has named those that are
    wrong = re.search(r"\) raises (?!Name|Attribute|Import|NotImpl|Syntax)\w+:", message)  # a constructor that refuses it
    unset = _UNSET.search(message) or re.search("AttributeError: ('(int|float)' object|an activation) has no", message)
    sized = re.search(r"raises (Value|Index|Axis|ZeroDivision|Assertion|Type|Key|\w*Shape\w*)Error", message)
    return bool(wrong or unset or sized)


def layout_of(cls: type) -> str:
    """The layout in which a layer takes its examples, if it takes them in no other: of `LAYOUTS`, or "single"; else empty."""
    try:
        with older.unnoticed():
            recipe, size = way_for(cls)
            if not recipe.axis and not isinstance(size, Size) and len(size) == 2 and size[1] == 1:
                recipe, size = way_for(cls, "columns")  # one example is a column: several may be, too
            if recipe.axis or recipe.single:
                return "" if recipe.single and recipe.dims else recipe.layout
            made = subject_of(recipe.build(size), as_input(recipe.input(size)), recipe)
            found = [name for name, alone in made.layouts().items() if alone] if isinstance(made, Called) else []
    except (NotBuilt, Misbehaviour):
        return ""
    return found[0] if len(found) == 1 else ""
