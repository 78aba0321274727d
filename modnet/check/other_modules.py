"""Classes of layers of other courses and books: built, given an input, examined, with their options and an activation tried.

An object is built by a recipe (`modnet.check.recipes`), windows side by side first. What cannot be built without a guess is not
checked, and the report says what would help.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check import known, older
from modnet.check.adapters import subject_of, updates_itself
from modnet.check.arguments import NotBuilt, add_with, switches
from modnet.check.evaluation import examine_in_evaluation
from modnet.check.layer_calls import is_of_functions, methods_of
from modnet.check.modes import mode_of, switches_of
from modnet.check.modules import as_input, check_module
from modnet.check.recipes import Recipe, Shape, Size, curve_by_input, curve_by_output, recipes_for
from modnet.check.report import Finding, Report, not_checked
from modnet.check.subject import Misbehaviour, Subject, tried
from modnet.check.vocabulary import FORWARD

_LINE: Shape = (4, 3)
_SIGNAL: Shape = (2, 4, 3)
_IMAGE: Shape = (2, 3, 4, 5)


def attempts(cls: type, layout: str = "") -> Iterator[tuple[Recipe, Size | Shape]]:
    """Ways to build a class and what to give it, the likeliest first; in a `layout`, "columns" or "single", if one is given."""
    updates, word = updates_itself(cls), cls.__name__.lower()
    windowed = list(recipes_for(cls, updates))
    yield from windowed
    if windowed:
        return
    plain, shaped = Recipe(cls), by_shapes(cls)
    if "flat" in word:
        shapes = [_LINE, _IMAGE, _SIGNAL]
    elif "2d" in word:
        shapes = [_IMAGE]
    elif "1d" in word:
        shapes = [_LINE, (2, 3, 5)]
    else:
        shapes = [_LINE, _SIGNAL, _IMAGE]
    if layout:
        recipe = Recipe(cls, columns=True) if layout == "columns" else Recipe(cls, single=True, shaped=shaped)
        yield from ((recipe, shape if recipe.columns else shape[1:]) for shape in shapes)
        return
    for shape in shapes:
        yield plain, shape
    if shaped:
        yield from ((Recipe(cls, shaped=True), shape) for shape in shapes)
        yield from ((Recipe(cls, single=True, shaped=True), shape[1:]) for shape in shapes)  # one example, without an axis
    if plain.arrays:
        yield Recipe(cls, square=True), _LINE
    if updates:
        yield plain, (int(known.VALUES["input"]), 1)  # one example, a column
    if not is_of_functions(cls):
        yield from ((Recipe(cls, columns=True), shape) for shape in shapes if len(shape) == 2 or "flat" in word)


def chosen(cls: type, layout: str = "") -> tuple[Recipe, Size | Shape]:
    """The first way to build a class in which it goes forward and back; else forward; a `Misbehaviour` if none does.

    With windows, the channels must come out where the recipe has them.
    """
    answering: list[tuple[Recipe, Size | Shape]] = []
    first: Misbehaviour | None = None
    unset = ""
    for recipe, size in attempts(cls, layout):
        try:
            subject = subject_of(recipe.build(size), as_input(recipe.input_shape(size)), recipe)
            subject.examine()
            if subject.unknown:
                raise NotBuilt(f"{cls.__name__}.backward({subject.unknown}): what it asks for has no known meaning")
        except Misbehaviour as problem:
            first = first or problem
            if not by_guess(problem.message) and problem.kind != "shape":
                raise
            continue
        if not subject.out.size or not np.isfinite(subject.out).all():
            continue
        if isinstance(size, Size) and not _in_place(subject, recipe, size):
            continue
        if by_shapes(cls) and not isinstance(size, Size) and not _as_named(subject, cls):
            answering.append((recipe, size))
            continue
        if (stopped := _stopped(subject)) is None:
            return recipe, size
        unset = unset or (stopped.message if _UNSET.search(stopped.message) else "")
        answering.append((recipe, size))
    if unset:
        raise NotBuilt(f"{unset}: what somebody else sets first. Give an example with --make")
    if answering:
        return answering[0]
    asks_more = first is not None and re.search(r"forward\(\) missing \d+ required", first.message)  # a layer of two inputs
    if first is not None and (_sure(cls) or first.kind == "shape") and not asks_more:
        raise first
    why = (
        first.message
        if first is not None
        else f"{_forward_of(cls)}({', '.join(_arguments(cls))}) gives nothing that fits its input"
    )
    raise NotBuilt(f"no input was found that it takes: {why}. Give an example with --make, --shape")


def _in_place(subject: Subject, recipe: Recipe, size: Size) -> bool:
    """Whether the result has its channels where the input has them."""
    out = subject.out
    channels = size.chan_out if recipe.takes("chan_out") else size.chan_in
    if out.ndim != subject.x.ndim:
        return out.ndim == 2  # such as one that flattens
    axes: list[int] = list(out.shape[1:])
    found = axes.pop(0) if recipe.first else axes.pop()
    return found == channels and all(n < side or size.k == 1 or n == side for n, side in zip(axes, size.sides, strict=True))


def by_shapes(cls: type) -> bool:
    """Whether a class asks for the shape of its input, by that name."""
    given = inspect.signature(cls).parameters.values()
    return any(p.default is p.empty and re.search("shape", p.name, re.I) for p in given)


def _as_named(subject: Subject, cls: type) -> bool:
    """Whether it is what its name says, if that says anything: a softmax of one example is none of a batch."""
    wanted = known.FUNCTIONS.get(known.plain_name(cls))
    return wanted is None or bool(np.allclose(wanted(subject.x).ravel(), subject.out.ravel(), rtol=1e-6, atol=1e-9))


def _sure(cls: type) -> bool:
    """Whether a class asks for nothing but the numbers of its inputs and outputs: then a crash is its own."""
    roles = known.roles(cls)
    required = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    if by_shapes(cls):
        return False
    return bool(required) and roles is not None and {r for r, n in roles.items() if n in required} == {"input", "output"}


def _forward_of(cls: type) -> str:
    methods = methods_of(cls)
    return methods.value if methods is not None else FORWARD


def _arguments(cls: type) -> list[str]:
    names = list(inspect.signature(getattr(cls, _forward_of(cls))).parameters)
    return names if is_of_functions(cls) else names[1:]


def goes_back(subject: Subject) -> bool:
    """Whether what comes back for the input has its shape."""
    back = tried(subject.delta, subject.x, subject.weights(2))
    return back is not None and back.shape == subject.x.shape


def _stopped(subject: Subject) -> Misbehaviour | None:
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


def by_guess(message: str) -> bool:
    """Whether a crash may come from arguments or an input that were guessed: a name that does not exist does not."""
    if "abstract class" in message:
        return False
    wrong = re.search(r"\) raises (?!Name|Attribute|Import|NotImpl|Syntax)\w+:", message)  # a constructor that refuses it
    unset = _UNSET.search(message)
    sized = re.search(r"raises (Value|Index|Axis|ZeroDivision|Assertion|Type|Key|\w*Shape\w*)Error", message)
    return bool(wrong or unset or sized)


def layout_of(cls: type) -> str:
    """The layout in which a layer takes its examples, if it takes them in no other: "columns", "single", else empty."""
    try:
        with older.unnoticed():
            recipe, _ = chosen(cls)
    except (NotBuilt, Misbehaviour):
        return ""
    return "columns" if recipe.columns else "single" if recipe.single and not recipe.dims else ""


def examine_other(cls: type, layout: str = "") -> Report:
    """The report on a layer's class, in a layout of its examples if one is given."""
    try:
        recipe, size = chosen(cls, layout)
    except NotBuilt as problem:
        return not_checked(cls.__name__, str(problem))
    except Misbehaviour as problem:
        if not is_of_functions(cls) or not by_guess(problem.message):
            raise
        return not_checked(cls.__name__, f"no input was found that it takes: {problem.message}")
    report = check_module(recipe.build(size), recipe.input_shape(size), make=recipe)
    stopped = any(f.where.endswith("." + _forward_of(cls)) and f.kind in ("crash", "not-implemented") for f in report.findings)
    if not stopped:
        _with_activation(report, recipe, size)
        _with_options(report, recipe, size)
        examine_in_evaluation(report, recipe, size)
    if is_of_functions(cls):
        for finding in report.findings:
            finding.where = finding.where.removeprefix(f"{cls.__name__}.")
    return report


def _with_activation(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """What is wrong with an activation and right without one."""
    if not recipe.takes("activation"):
        return
    name = recipe.roles["activation"]
    if isinstance(inspect.signature(recipe.cls).parameters[name].default, str):
        return  # it is given by a name of the author's own
    fresh: list[Finding] | None = None
    for activation in (curve_by_output, curve_by_input):
        try:
            made = recipe.build(size, activation)
            other = check_module(made, recipe.input_shape(size))
        except Misbehaviour:
            continue
        said = {(f.kind, f.where) for f in report.findings}
        forward = "." + _forward_of(recipe.cls)
        new = [f for f in other.findings if (f.kind, f.where) not in said and not f.where.endswith(forward)]
        if not new:
            return
        if fresh is None:
            fresh = new
    for finding in fresh or ():
        if finding.kind == "direction" and _left_out(recipe, size):
            finding.kind = "missing-activation"
            finding.message = "forward applies an activation, and backward is the same as without one."
            finding.hint = "multiply what comes from above by the activation's derivative first: dZ = dA * f'(Z)"
        finding.message = f"with {name} given: {finding.message}"
    if fresh:
        report.findings += fresh
        report.verdict(f"with {name}", right=False, remark=", ".join(dict.fromkeys(f.kind for f in fresh)))


def _left_out(recipe: Recipe, size: Size | Shape) -> bool:
    """Whether what comes back is the same with an activation as without."""
    x = as_input(recipe.input_shape(size))
    try:
        with_one, without = (subject_of(recipe.build(size, f), x, recipe) for f in (curve_by_output, None))
        with_one.examine()
        without.examine()
        delta = without.weights(2)
        return bool(np.allclose(with_one.delta(x, delta), without.delta(x, delta)))
    except Misbehaviour:
        return False


def _with_options(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """What is found with an option that is on or off, or another word, and was not found without it."""
    shape = recipe.input_shape(size)

    def ask(name: str, value: Any) -> Report:
        return check_module(recipe.build(size, options={name: value}), shape)

    padding = recipe.roles.get("padding")  # as a word it is tried with windows that it is meant for
    add_with(report, ((n, v) for n, v in switches(recipe.cls) if not (isinstance(v, str) and n == padding)), ask)
    for name, value in switches_of(recipe.build(size)).items():
        training = mode_of(name, value)
        if name not in inspect.signature(recipe.cls).parameters and value != training == (not mode_of(name, value, True)):
            made = recipe.build(size)
            setattr(made, name, training)  # whoever trains sets it
            report.add(check_module(made, shape, make=recipe), f"in training, with {name}={training}")
