"""Classes of layers of other courses and books: built, given an input, examined, with their options and an activation tried.

An object is built by a recipe (`modnet.check.building.recipes`), windows side by side first. What cannot be built without a
guess is not checked, and the report says what would help.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from modnet.check.asking import older
from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.subject import Subject
from modnet.check.building.choosing import chosen
from modnet.check.building.constructors import USUAL, roles_of, unmeant
from modnet.check.building.recipes import (
    PENALTY,
    Activation,
    Recipe,
    Shape,
    Size,
    array_arguments,
    curve_by_input,
    curve_by_output,
    has_state,
    recipes_for,
    straight,
    waits_for,
)
from modnet.check.modules.check import as_input, check_module
from modnet.check.modules.evaluation import examine_in_evaluation
from modnet.check.modules.options import add_with
from modnet.check.reading.arguments import NotBuilt, asks, needs, switches, takes_arrays
from modnet.check.reading.definitions import FUNCTIONS, plain_name
from modnet.check.reading.lines import text_of
from modnet.check.reading.vocabulary import DELTA, FORWARD
from modnet.check.report import Finding, Report, not_checked
from modnet.check.styles.adapters import remembers, subject_of, updates_itself
from modnet.check.styles.called import Called
from modnet.check.styles.layer_calls import methods_of
from modnet.check.styles.loss_calls import is_of_functions
from modnet.check.styles.modes import mode_of, switches_of

Way = tuple[Recipe, Size | Shape]
_LINE: Shape = (4, 3)
_PLACES: Shape = (6,)
_SIGNAL: Shape = (2, 4, 3)
_IMAGE: Shape = (2, 3, 4, 5)


#: What arguments that mean nothing known may be: each pair is two sizes of a kind. A number is also how many features come in.
_GUESSES = ((3, 6), (0.5, 0.25), (straight, curve_by_input))


def attempts(cls: type, layout: str = "", guess: Any = None) -> Iterator[Way]:
    """Ways to build a class and what to give it, the likeliest first; in a `layout`, "columns" or "single", if one is given."""
    updates, word = updates_itself(cls), cls.__name__.lower()
    windowed = list(recipes_for(cls, updates))
    yield from windowed
    if windowed:
        return
    recipe_of, shaped = partial(Recipe, cls, guess=guess), by_shapes(cls)
    plain = recipe_of()
    if "flat" in word:
        shapes = [_LINE, _IMAGE, _SIGNAL]
    elif "2d" in word:
        shapes = [_IMAGE]
    elif "1d" in word:
        shapes = [_LINE, (2, 3, 5)]
    elif re.search("conv|pool", word) or "chan_in" in plain.roles:
        shapes = [(2, 2, 6, 4), (2, 6, 4, 2)]
    else:
        shapes = [_LINE, _SIGNAL, _IMAGE]
    if plain.features != USUAL["features"]:
        shapes = [tuple(plain.features if n == USUAL["features"] else n for n in shape) for shape in shapes]
    if layout:
        recipe = recipe_of(columns=True) if layout == "columns" else recipe_of(single=True, shaped=shaped)
        yield from ((recipe, shape if recipe.columns else shape[1:]) for shape in shapes)
        return
    if has_state(plain.arrays):
        yield from ((recipe_of(gates=gates), shape) for shape in (_SIGNAL, _LINE) for gates in (1, 4, 3))
        return
    for shape in shapes:
        yield plain, shape
    for recipe in (recipe_of(filled=True), recipe_of(filled=True, shaped=True)):
        yield from ((recipe, shape) for shape in shapes if recipe.unset)
    if shaped:
        yield from ((recipe_of(shaped=True), shape) for shape in shapes)
    if shaped or "flat" not in word:  # what is flat comes out of one example in any way
        yield from ((recipe_of(single=True, shaped=shaped), shape[1:]) for shape in shapes)  # one, without an axis
    if plain.arrays:
        yield recipe_of(square=True), _LINE
    if updates:
        yield plain, (int(USUAL["input"]), 1)  # one example, a column
    if not is_of_functions(cls):
        yield from ((recipe_of(columns=True), shape) for shape in shapes if len(shape) == 2 or "flat" in word)


def way_for(cls: type, layout: str = "", guess: Any = None) -> Way:
    """The first way to build a class in which it goes forward and back; else forward; a `Misbehaviour` if none does.

    With windows, the channels must come out where the recipe has them. What refuses numbers is given integers.
    """
    unset: list[str] = []
    refused: list[str] = []

    def subject(way: Way) -> Subject:
        return subject_of(way[0].build(way[1]), as_input(way[0].input(way[1])), way[0])

    def ways() -> Iterator[Way]:
        integers = ((Recipe(cls, whole=True, guess=guess), shape) for shape in (_PLACES, _LINE))
        named = re.search("embedding$", cls.__name__, re.I) is not None
        yield from integers if named else ()
        yield from attempts(cls, layout, guess)
        yield from integers if refused else ()

    def forgive(problem: Misbehaviour) -> bool:
        if problem.kind == "foreign":
            raise NotBuilt(f"{problem.message}: it works with objects of its author's own, not with arrays") from problem
        refused.extend(_INTEGERS.findall(problem.message))
        if by_guess(problem.message) or problem.kind == "shape" or _UNBOUND in problem.message:
            return True
        if _set_elsewhere(cls, problem.message):
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
            return 0
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
        of_one = first is not None and "truth value of an array" in first.message  # a function of one number
        of_one = of_one or not takes_arrays(getattr(cls, _forward_of(cls)))
        if first is not None and ((_sure(cls) and not of_one) or first.kind == "shape") and not asks_more:
            raise first
        takes = f"{_forward_of(cls)}({', '.join(_arguments(cls))}) gives nothing that fits its input"
        why = takes if first is None else first.message
        raise NotBuilt(f"no input was found that it takes: {why}. Give an example with --make, --shape")

    found = chosen(ways(), subject, rank, give_up, forgive)
    if unset:
        raise NotBuilt(unset[0])
    return found


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


def _forward_of(cls: type) -> str:
    methods = methods_of(cls)
    return methods.value if methods is not None else FORWARD


def _arguments(cls: type) -> list[str]:
    names = list(inspect.signature(getattr(cls, _forward_of(cls))).parameters)
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


def _set_elsewhere(cls: type, message: str) -> bool:
    """Whether what an object lacks is set by a method of its own that somebody else is to call."""
    lacks = re.search(rf"AttributeError: '{cls.__name__}' object has no attribute '(\w+)'", message)
    forward = text_of(getattr(cls, _forward_of(cls), None))
    held = [f for k in cls.__mro__[:-1] for f in vars(k).values() if inspect.isfunction(f)]
    others = [f for f in held if f.__name__[:2] != "__" and f.__name__ != _forward_of(cls)]
    others = [f for f in others if f"self.{f.__name__}(" not in forward]
    return lacks is not None and any(re.search(rf"self\.{lacks[1]}\s*=[^=]", text_of(f)) for f in others)


def by_guess(message: str) -> bool:
    """Whether a crash may come from arguments or an input that were guessed: a name that does not exist does not."""
    if "abstract class" in message:
        return False
    wrong = re.search(r"\) raises (?!Name|Attribute|Import|NotImpl|Syntax)\w+:", message)  # a constructor that refuses it
    unset = _UNSET.search(message) or re.search("AttributeError: ('(int|float)' object|an activation) has no", message)
    sized = re.search(r"raises (Value|Index|Axis|ZeroDivision|Assertion|Type|Key|\w*Shape\w*)Error", message)
    return bool(wrong or unset or sized)


def layout_of(cls: type) -> str:
    """The layout in which a layer takes its examples, if it takes them in no other: "columns", "single", else empty."""
    try:
        with older.unnoticed():
            recipe, size = way_for(cls)
            if not recipe.columns and not isinstance(size, Size) and len(size) == 2 and size[1] == 1:
                recipe, _ = way_for(cls, "columns")  # one example is a column: several may be, too
    except (NotBuilt, Misbehaviour):
        return ""
    return "columns" if recipe.columns else "single" if recipe.single and not recipe.dims else ""


def examine_other(cls: type, layout: str = "") -> Report:
    """The report on a layer's class, in a layout of its examples if one is given."""
    try:
        report = _examined(cls, layout)
    except NotBuilt as problem:
        return _by_guesses(cls, layout) or not_checked(cls.__name__, str(problem))
    except Misbehaviour as problem:
        if not is_of_functions(cls) or not by_guess(problem.message):
            raise
        return not_checked(cls.__name__, f"no input was found that it takes: {problem.message}")
    if is_of_functions(cls):
        for finding in report.findings:
            finding.where = finding.where.removeprefix(f"{cls.__name__}.")
    return report


def _by_guesses(cls: type, layout: str) -> Report | None:
    """The report on a class with arguments that mean nothing known: what is so with two guesses. None if it takes none."""
    _, names = unmeant(cls, array_arguments(cls))
    for pair in _GUESSES if names else ():
        found: list[Report | Misbehaviour] = []
        for guess in pair:
            try:
                found.append(_examined(cls, layout, guess))
            except Misbehaviour as problem:
                found.append(problem)
            except NotBuilt:
                break
        if len(found) < len(pair):
            continue
        first, second = found
        if isinstance(first, Report) and isinstance(second, Report):
            said = {(f.kind, f.where) for f in second.findings if f.kind != "crash" or not by_guess(f.message)}
            if first.ok or all((f.kind, f.where) in said for f in first.findings):
                first.notes.append(f"what {', '.join(names)} means was guessed: it is so with {pair[0]} and with {pair[1]}.")
                return first
        elif isinstance(first, Misbehaviour) and isinstance(second, Misbehaviour) and first.message == second.message:
            raise first
    return None


def _examined(cls: type, layout: str, guess: Any = None) -> Report:
    """The report on an object in the first way that it takes; `NotBuilt` or a `Misbehaviour` if there is none."""
    recipe, size = way_for(cls, layout, guess)
    report = check_module(recipe.build(size), recipe.input(size), make=recipe)
    if not any(f.where.endswith("." + _forward_of(cls)) and f.kind in ("crash", "not-implemented") for f in report.findings):
        _with_activation(report, recipe, size)
        _with_options(report, recipe, size)
        _unused(report, recipe, size)
        examine_in_evaluation(report, recipe, size)
    if guess is not None and not report.ok and _has_layers(recipe.build(size)):
        raise NotBuilt(f"{cls.__name__} is put together of layers, and its arguments were guessed")
    return report


def _unused(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """Add that a stride or a padding which a layer is given changes nothing of what it gives."""
    if not isinstance(size, Size) or recipe.takes_same():
        return
    strides = [size._replace(stride=n) for n in (1, 2)]
    paddings = [size._replace(padding=n) for n in (0, 1)]
    for role, sizes in (("stride", strides), ("padding", paddings)):
        if role not in recipe.roles:
            continue
        name, x = recipe.roles[role], as_input(recipe.input_shape(size))
        with suppress(Misbehaviour, NotBuilt, TypeError, ValueError):
            first, second = (subject_of(recipe.build(each), x, recipe).forward(x) for each in sizes)
            if first.shape == second.shape and np.array_equal(first, second) and np.isfinite(first).all():
                forward = _forward_of(recipe.cls)
                values = " and ".join(f"{name}={getattr(each, role)}" for each in sizes)
                text = f"{forward} gives the same with {values}: it is not used."
                where = f"{recipe.cls.__name__}.{forward}"
                report.findings.append(Finding("option-ignored", where, text, f"use {name} in forward, or leave it out"))
                report.verdict(f"with {name}", right=False, remark="option-ignored")


def _has_layers(made: Any) -> bool:
    """Whether an object holds layers of its author's."""
    held = [item for v in vars(made).values() for item in (v if isinstance(v, list | tuple) else [v])]
    return any(remembers(item) for item in held if hasattr(item, "__dict__") and not isinstance(item, Activation))


def _takes_activation(recipe: Recipe) -> bool:
    """Whether a layer is given its activation as a function or an object, and not by a name of the author's own."""
    name = recipe.roles.get("activation")
    return name is not None and not (recipe.word or isinstance(inspect.signature(recipe.cls).parameters[name].default, str))


def _new_with(report: Report, recipe: Recipe, size: Size | Shape, activation: Any) -> list[Finding] | None:
    """What is found with an activation and not without one; None if the layer wants one of another kind."""
    try:
        other = check_module(recipe.build(size, activation), recipe.input_shape(size), make=_without_sizes(recipe))
    except Misbehaviour:
        return None
    said, forward = {(f.kind, f.where) for f in report.findings}, "." + _forward_of(recipe.cls)
    new = [f for f in other.findings if (f.kind, f.where) not in said and not f.where.endswith(forward)]
    return None if any(f.kind == "shape" or (f.kind == "crash" and by_guess(f.message)) for f in new) else new


def with_activations_of(report: Report, cls: type, activations: Iterable[type]) -> None:
    """Add what a layer does wrong with the activations of its own project alone: it asks them for f' at the wrong place."""
    recipe, size = way_for(cls)
    if not _takes_activation(recipe):
        return
    ours = [_new_with(report, recipe, size, a) for a in (curve_by_output, curve_by_input)]
    fewest = min((len(new) for new in ours if new is not None), default=99)
    for kind in activations:
        activation = Recipe(kind).build(_LINE)
        asked = subject_of(activation, as_input(_LINE))
        asked.examine()
        reading = getattr(asked, "reading", "above")
        wrong = [f for f in _new_with(report, recipe, size, activation) or () if f.kind in ("direction", "missing-factor")]
        if reading != "above" and len(wrong) > fewest:
            given = "output" if reading == "input" else "input"
            wrong[0].kind, name = "at-output", f"{kind.__name__}.{asked.names[DELTA]}"
            wrong[0].message = f"it gives {name}, the derivative in terms of the {reading}, the activation's {given}."
            wrong[0].hint = f"keep the activation's {reading} in forward, and give it that"
            report.findings.append(wrong[0])
            report.verdict(f"with {kind.__name__}", right=False, remark="at-output")
            return


def _with_activation(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """What is wrong with an activation and right without one."""
    if not _takes_activation(recipe):
        return
    name = recipe.roles["activation"]
    found = [new for a in (curve_by_output, curve_by_input) if (new := _new_with(report, recipe, size, a)) is not None]
    fresh = min(found, key=len, default=[])
    for finding in fresh:
        if finding.kind == "direction" and _left_out(recipe, size, finding):
            finding.kind = "missing-activation"
            finding.message = "forward applies an activation, and backward is the same as without one."
            finding.hint = "multiply what comes from above by the activation's derivative first: dZ = dA * f'(Z)"
        finding.message = f"with {name} given: {finding.message}"
    if fresh:
        report.findings += fresh
        report.verdict(f"with {name}", right=False, remark=", ".join(dict.fromkeys(f.kind for f in fresh)))


def _without_sizes(recipe: Recipe) -> Recipe | None:
    """The recipe, if it says how examples are given; windows of other sizes are not tried again."""
    return None if recipe.dims and not recipe.single else recipe


def _left_out(recipe: Recipe, size: Size | Shape, finding: Finding) -> bool:
    """Whether the gradient that a finding is about is the same with an activation as without."""
    x, of = as_input(recipe.input_shape(size)), re.search(r"gradient of [\w.]*?(\w+) ", finding.message)
    try:
        with_one, without = (subject_of(recipe.build(size, f), x, recipe) for f in (curve_by_output, None))
        with_one.examine()
        without.examine()
        x, delta = with_one.x, without.weights(2)
        if of is None:
            return bool(np.allclose(with_one.delta(x, delta), without.delta(x, delta)))
        one, other = (s.gradients(x, delta) for s in (with_one, without))
        return any(n.split(".")[-1] == of[1] and n in other and np.allclose(one[n], other[n]) for n in one)
    except Misbehaviour:
        return False


def _with_options(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """What is found with an option that is on or off, or another word, and was not found without it."""
    shape = recipe.input_shape(size)

    def ask(name: str, value: Any) -> Report:
        return check_module(recipe.build(size, options={name: value}), shape, make=_without_sizes(recipe))

    padding = recipe.roles.get("padding")  # as a word it is tried with windows that it is meant for
    add_with(report, ((n, v) for n, v in switches(recipe.cls) if not (isinstance(v, str) and n == padding)), ask)
    penalties = {p.name: 0.1 for p in asks(recipe.cls, True) if str(p.default) in ('0', '0.0') and PENALTY.search(p.name)}
    if penalties:  # they change gradients and not forward: whether it goes through is all that can be told
        with suppress(Misbehaviour, NotBuilt):
            found = check_module(recipe.build(size, options=penalties), shape)
            found.findings = [f for f in found.findings if f.kind == "crash"]
            report.add(found, f"with {', '.join(penalties)} above 0")
    for name, value in switches_of(recipe.build(size)).items():
        training = mode_of(name, value)
        if name not in inspect.signature(recipe.cls).parameters and value != training == (not mode_of(name, value, True)):
            made = recipe.build(size)
            setattr(made, name, training)  # whoever trains sets it
            report.add(check_module(made, shape, make=recipe), f"in training, with {name}={training}")
