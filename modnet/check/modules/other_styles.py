"""Classes of layers of other courses and books: examined in the way that is found for them (`modnet.check.modules.ways`).

Their options, an activation and what their arguments may be by a guess are tried besides. What cannot be built is not checked,
and the report says what would help.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.building.constructors import unmeant
from modnet.check.building.handed import Activation, curve_by_input, curve_by_output, straight
from modnet.check.building.recipes import PENALTY, Recipe, Shape, Size, array_arguments
from modnet.check.modules.check import as_input, as_named, check_module
from modnet.check.modules.evaluation import examine_in_evaluation
from modnet.check.modules.options import add_with
from modnet.check.modules.ways import LINE, OF_ONE, Unsettled, by_guess, forward_of, way_for
from modnet.check.reading.arguments import NotBuilt, asks, switches
from modnet.check.reading.lines import tree_of
from modnet.check.reading.vocabulary import DELTA, FORWARD
from modnet.check.report import Finding, Report, not_checked
from modnet.check.styles.adapters import remembers, subject_of
from modnet.check.styles.layer_calls import one_by_one
from modnet.check.styles.loss_calls import is_of_functions
from modnet.check.styles.modes import mode_of, switches_of
from modnet.check.styles.own_steps import Stepping

#: What arguments that mean nothing known may be: each pair is two sizes of a kind. A number is also how many features come in.
_GUESSES = ((3, 6), (0.5, 0.25), (straight, curve_by_input))


def examine_other(cls: type, layout: str = "") -> Report:
    """The report on a layer's class, in a layout of its examples if one is given; `Unsettled` if it has to be."""
    try:
        report = _examined(cls, layout)
    except Unsettled:
        raise
    except NotBuilt as problem:
        if is_of_functions(cls) and OF_ONE.search(str(problem)):
            with suppress(NotBuilt, Misbehaviour):
                report = _of_functions(_examined(one_by_one(cls), layout), cls)
                report.notes.append("it takes one number, and was asked for each by itself.")
                return report
        return _by_guesses(cls, layout) or not_checked(cls.__name__, str(problem))
    except Misbehaviour as problem:
        if not is_of_functions(cls) or not by_guess(problem.message):
            raise
        return not_checked(cls.__name__, f"no input was found that it takes: {problem.message}")
    return _of_functions(report, cls)


def _of_functions(report: Report, cls: type) -> Report:
    """The report, in which a function is not said to be a method."""
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
            except Unsettled:
                raise
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
    if not any(f.where.endswith("." + forward_of(cls)) and f.kind in ("crash", "not-implemented") for f in report.findings):
        _with_activation(report, recipe, size)
        _with_options(report, recipe, size)
        _unused(report, recipe, size)
        _without_momentum(report, recipe, size)
        _pooled(report, recipe, size)
        examine_in_evaluation(report, recipe, size)
    if guess is not None and not report.ok and _has_layers(recipe.build(size)):
        raise NotBuilt(f"{cls.__name__} is put together of layers, and its arguments were guessed")
    return as_named(report, cls.__name__, subject_of(recipe.build(size), as_input(recipe.input(size)), recipe))


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
                forward = forward_of(recipe.cls)
                values = " and ".join(f"{name}={getattr(each, role)}" for each in sizes)
                text = f"{forward} gives the same with {values}: it is not used."
                where = f"{recipe.cls.__name__}.{forward}"
                report.findings.append(Finding("option-ignored", where, text, f"use {name} in forward, or leave it out"))
                report.verdict(f"with {name}", right=False, remark="option-ignored")


def _without_momentum(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """Add that a layer which moves itself moves in the same way whatever momentum it is built with."""
    name = next((p.name for p in asks(recipe.cls, True) if re.fullmatch("momentum|mom", p.name, re.I)), "")
    subject = subject_of(recipe.build(size), as_input(recipe.input(size)), recipe)
    if not name or not isinstance(subject, Stepping) or not subject.updates:
        return
    back = subject.names[DELTA]
    tree = tree_of(getattr(recipe.cls, back))
    always = [node for node in (tree.body if tree is not None else ()) if isinstance(node, ast.Assign | ast.AugAssign)]
    if not any(f"self.{name}" in ast.unparse(node) for node in always):
        return  # it may be one of several ways to move
    with suppress(Misbehaviour, NotBuilt, TypeError, ValueError):
        twins = [subject_of(recipe.build(size, options={name: m}), as_input(recipe.input(size)), recipe) for m in (0.0, 0.9)]
        one, other = (twin.after_steps(3) for twin in twins if isinstance(twin, Stepping))
        if one and one.keys() == other.keys() and all(np.array_equal(a, other[n]) for n, a in one.items()):
            text = f"{back} moves the parameters in the same way with {name}=0 and {name}=0.9: three steps leave the same."
            hint = f"keep what the last step was: V = {name} * V - rate * gradient, then W += V"
            where = f"{recipe.name}.{back}"
            report.findings.append(Finding("option-ignored", where, text, hint, line=subject.quote(DELTA, rf"self\.{name}")))
            report.verdict(f"with {name}", right=False, remark="option-ignored")


def _pooled(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """Add that what is by its name a pooling takes other windows than those that its size and its stride say."""
    word = recipe.cls.__name__.lower()
    takes = np.max if re.search("max", word) else np.mean if re.search("av(g|erage)|mean", word) else None
    if takes is None or "pool" not in word or not isinstance(size, Size) or "stride" not in recipe.roles:
        return
    each = size._replace(k=2, stride=2, padding=0)
    axes = tuple(range(2 if recipe.first else 1, 2 + recipe.dims - (not recipe.first)))
    with suppress(Misbehaviour, NotBuilt, TypeError, ValueError):
        subject = subject_of(recipe.build(each), as_input(recipe.input_shape(each)), recipe)
        x, out = subject.x, subject.forward(subject.x)
        every = takes(np.lib.stride_tricks.sliding_window_view(x, (2,) * recipe.dims, axes), tuple(range(-recipe.dims, 0)))
        apart, near = every, every
        for axis in axes:
            apart = apart.take(range(0, apart.shape[axis], 2), axis)
            near = near.take(range(min(out.shape[axis], near.shape[axis])), axis)
        if out.shape == apart.shape == near.shape and not np.allclose(out, apart) and np.allclose(out, near):
            forward = forward_of(recipe.cls)
            text = f"{forward} moves its window by 1, not by {recipe.roles['stride']}=2, and only counts its results by that."
            where, hint = f"{recipe.cls.__name__}.{forward}", "the window of result i begins at i * stride"
            report.findings.append(Finding("stride", where, text, hint, line=subject.quote(FORWARD, r"\[.*:.*\]", r"range\(")))
            report.verdict(f"with {recipe.roles['stride']}=2", right=False, remark="stride")


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
    said, forward = {(f.kind, f.where) for f in report.findings}, "." + forward_of(recipe.cls)
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
        activation = Recipe(kind).build(LINE)
        asked = subject_of(activation, as_input(LINE))
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
    words = [(n, word) for n, found in recipe.chosen.items() for word in found[1:4] if recipe.roles.get("init") != n]
    add_with(report, (*((n, v) for n, v in switches(recipe.cls) if not (isinstance(v, str) and n == padding)), *words), ask)
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
