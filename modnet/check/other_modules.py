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

from modnet.check import known
from modnet.check.adapters import subject_of, updates_itself
from modnet.check.arguments import NotBuilt, add_with, switches
from modnet.check.evaluation import examine_in_evaluation
from modnet.check.layer_calls import is_of_functions, methods_of
from modnet.check.modules import as_input, check_module
from modnet.check.recipes import Recipe, Shape, Size, curve_by_input, curve_by_output, recipes_for
from modnet.check.report import Finding, Report, not_checked
from modnet.check.subject import Misbehaviour, Subject, tried
from modnet.check.vocabulary import FORWARD

_LINE: Shape = (4, 3)
_SIGNAL: Shape = (2, 4, 3)
_IMAGE: Shape = (2, 3, 4, 5)


def attempts(cls: type) -> Iterator[tuple[Recipe, Size | Shape]]:
    """Ways to build a class and what to give it, the likeliest first."""
    updates, word = updates_itself(cls), cls.__name__.lower()
    windowed = list(recipes_for(cls, updates))
    yield from windowed
    if windowed:
        return
    plain = Recipe(cls)
    if "flat" in word:
        shapes = [_LINE, _IMAGE, _SIGNAL]
    elif "2d" in word:
        shapes = [_IMAGE]
    elif "1d" in word:
        shapes = [_LINE, (2, 3, 5)]
    else:
        shapes = [_LINE, _SIGNAL, _IMAGE]
    for shape in shapes:
        yield plain, shape
    if plain.arrays:
        yield Recipe(cls, square=True), _LINE
    if updates:
        yield plain, (int(known.VALUES["input"]), 1)  # one example, a column


def chosen(cls: type) -> tuple[Recipe, Size | Shape]:
    """The first way to build a class in which it goes forward and back; else forward; a `Misbehaviour` if none does.

    With windows, the channels must come out where the recipe has them.
    """
    answering: list[tuple[Recipe, Size | Shape]] = []
    first: Misbehaviour | None = None
    for recipe, size in attempts(cls):
        try:
            subject = subject_of(recipe.build(size), as_input(recipe.input_shape(size)), recipe)
            subject.examine()
            if subject.unknown:
                raise NotBuilt(f"{cls.__name__}.backward({subject.unknown}): what it asks for has no known meaning")
        except Misbehaviour as problem:
            first = first or problem
            if not by_guess(problem.message):
                raise
            continue
        if not subject.out.size or not np.isfinite(subject.out).all():
            continue
        if isinstance(size, Size) and not _in_place(subject, recipe, size):
            continue
        if goes_back(subject):
            return recipe, size
        answering.append((recipe, size))
    if answering:
        return answering[0]
    asks_more = first is not None and re.search(r"forward\(\) missing \d+ required", first.message)  # a layer of two inputs
    if first is not None and _sure(cls) and not asks_more:
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


def _sure(cls: type) -> bool:
    """Whether a class asks for nothing but the numbers of its inputs and outputs: then a crash is its own."""
    roles = known.roles(cls)
    required = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
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


def by_guess(message: str) -> bool:
    """Whether a crash may come from arguments or an input that were guessed: a name that does not exist does not."""
    return "abstract class" not in message and bool(
        re.search(r"raises (Value|Index|Axis|ZeroDivision|Assertion|Type|Key|\w*Shape\w*)Error", message)
    )


def examine_other(cls: type) -> Report:
    """The report on a layer's class."""
    try:
        recipe, size = chosen(cls)
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
    """What is found with an option that is on or off, and was not found without it."""
    def ask(name: str, value: Any) -> Report:
        return check_module(recipe.build(size, options={name: value}), recipe.input_shape(size))

    add_with(report, switches(recipe.cls), ask)
