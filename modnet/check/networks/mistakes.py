"""What mistakes in networks are called: hypotheses about gradients that are wrong, and about a delta that is.

Each is tried on what is left to explain, the simplest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from modnet.check.asking.numeric import factor_of
from modnet.check.asking.question import ALIKE, Question
from modnet.check.functions.weighted import regulariser
from modnet.check.networks.calls import Call, Way, multiple, same
from modnet.check.networks.form import Form
from modnet.check.reading.vocabulary import GRADIENT
from modnet.check.report import Finding

# --- gradients -------------------------------------------------------------------------------------------------------


class Wrong(NamedTuple):
    """Gradients that differ from the derivative, as `left` to explain, among those of all parameters that were asked for."""

    form: Form
    all: dict[str, Question]
    left: dict[str, Question]


def explained(form: Form) -> list[Finding]:
    """The causes of what is wrong, as few as explain it."""
    questions, left, _ = form.measured
    found: dict[tuple[str, str], tuple[Finding, list[str]]] = {}
    left = dict(left)
    for hypothesis in GRADIENTS:
        for finding, names in list(hypothesis(Wrong(form, questions, left))) if left else ():
            left = {n: q for n, q in left.items() if n not in names}
            found.setdefault((finding.kind, finding.hint), (finding, []))[1].extend(names)
    for finding, names in found.values():
        if len(names) > 1 and names[0] in finding.message and names[1] not in finding.message:
            finding.message = finding.message.rstrip(".") + f"; the same of {', '.join(names[1:])}."
    return [finding for finding, _ in found.values()]


def all_alike(w: Wrong) -> Iterator[tuple[Finding, list[str]]]:
    """All gradients are the same multiple of the truth."""
    factor = common_factor(w)
    if factor is None:
        return
    every = "every gradient" if len(w.left) > 1 else f"the gradient of {next(iter(w.left))}"
    q = next(iter(w.left.values()))
    kind, size = of_factor(w.form, factor)
    text = f"{every} is {size} times the derivative of the loss."
    hint = "the same factor in both"
    if kind == "sign":
        text, hint = f"{every} has the wrong sign.", "the minus sign belongs to the update"
    elif size.startswith("1/"):
        text = text.rstrip(".") + ": it is divided twice."
        hint = "the mean is taken once: in the loss's own derivative, or in the layers, not in both"
    elif "size of the batch" in size:
        text = text.rstrip(".") + ": the loss is a mean, they are a sum."
        hint = "divide the derivative at the output by len(x), once"
    elif kind == "double-counts":
        hint = "the network's backward: is delta changed, or backward_update_gradient called, twice on the way?"
    yield q.finding(kind, text, hint), list(w.left)


def common_factor(w: Wrong) -> float | None:
    """The factor that makes all gradients the truth; None if there is none."""
    if not w.left or len(w.left) < len(w.all):
        return None
    factors = [q.factor(q.truth) for q in w.left.values() if np.abs(q.truth).max(initial=0.0) > 1e-12]
    known = [f for f in factors if f is not None]
    return known[0] if known and len(known) == len(factors) and np.ptp(known) <= ALIKE * abs(known[0]) else None


def of_factor(form: Form, factor: float) -> tuple[str, str]:
    """The kind of a mistake that multiplies by this, and the factor in words."""
    batch = form.batch
    if abs(factor * batch - 1) < ALIKE:
        return "scale", f"1/{batch}, one over the size of the batch,"
    if abs(factor - batch) < ALIKE * batch:
        return "scale", f"{batch}, the size of the batch,"
    if abs(factor - 2) < ALIKE and form.doubles:
        return "double-counts", "2"
    return "sign" if abs(factor + 1) < ALIKE else "scale", f"{factor:.4g}"


def regularised(w: Wrong) -> Iterator[tuple[Finding, list[str]]]:
    """A term more or less, a multiple of the parameter."""
    held = w.form.parameters()
    for name, q in w.left.items():
        array = held[name].ravel()[q.entries].astype(float)
        rest = q.got - q.truth
        factor = factor_of(rest, array)
        near = 1e-4 * max(float(np.abs(rest).max(initial=0.0)), 1e-12) + 2 * float(np.abs(q.high - q.low).max(initial=0.0))
        alike = len(array) > 1 and abs(factor) > 1e-6 and np.abs(rest - factor * array).max() <= near
        if alike and q.factor(q.truth) is None:
            yield regulariser("", factor, name, w.form.line("a regulariser", name)), [name]


def of_another(w: Wrong) -> Iterator[tuple[Finding, list[str]]]:
    """Another parameter's gradient, or its own transposed."""
    for name, q in w.left.items():
        if not (q.got.any() and q.whole and not q.is_like(q.truth)):
            continue
        line = w.form.line("the gradients", name)
        other = next((n for n, one in w.all.items() if n != name and one.shape == q.shape and one.whole and _like(q, one)), "")
        if other:
            text = f"the gradient that is given for {name} is that of {other}."
            yield q.finding("swapped", text, f"the line that puts it under {name!r}", line), [name]
        elif len(q.shape) == 2 and q.shape[0] == q.shape[1] and q.is_like(q.truth.reshape(q.shape).T):
            yield q.finding("transposed", f"the gradient of {name} is transposed.", "x.T @ dout", line), [name]


def _like(q: Question, other: Question) -> bool:
    return bool(np.abs(other.truth).max() > 1e-9) and q.is_like(other.truth)


def multiplied(w: Wrong) -> Iterator[tuple[Finding, list[str]]]:
    """A factor, in this gradient alone; or zero."""
    for name, q in w.left.items():
        line, factor = w.form.line("the gradients", name), q.factor(q.truth)
        if factor is not None and len(q.entries) > 1:
            kind, size = of_factor(w.form, factor)
            text = f"the gradient of {name} is {size} times the derivative of the loss, and not all others are."
            yield q.finding(kind, text, "a factor in this line alone", line), [name]
        elif not q.got.any():
            text = f"the gradient of {name} is zero, and the loss depends on it."
            yield q.finding("missing-parameter", text, "is its layer reached on the way back?", line), [name]


def through_dense_layers(w: Wrong) -> Iterator[tuple[Finding, list[str]]]:
    """One mistake on the way back, which explains all gradients."""
    if (finding := w.form.cause()) is not None:
        yield finding, list(w.left)


def otherwise(w: Wrong) -> Iterator[tuple[Finding, list[str]]]:
    """Whatever it is, it lies behind what is right."""
    right, names = [n for n, q in w.all.items() if q.right], ", ".join(w.left)
    name, q = max(w.left.items(), key=lambda item: item[1].error)
    norms = float(np.linalg.norm(q.got)), float(np.linalg.norm(q.truth))
    cosine = float(q.got @ q.truth) / (norms[0] * norms[1]) if norms[0] and norms[1] else 0.0
    text = f"the gradient of {names} differs from the derivative of the loss, in none of the known ways"
    text += f"; of {name} the cosine of the angle between them is {cosine:.3g}."
    hint = f"that of {', '.join(right)} is right: look at what lies between"
    hint = hint if right else "begin at the output: the loss's own derivative"
    yield q.finding("direction", text, hint, w.form.line("the gradients", next(iter(w.left)))), list(w.left)


GRADIENTS: tuple[Callable[[Wrong], Iterator[tuple[Finding, list[str]]]], ...] = (
    all_alike,
    regularised,
    of_another,
    multiplied,
    through_dense_layers,
    otherwise,
)

# --- deltas ----------------------------------------------------------------------------------------------------------


def wrong_delta(
    form: Form, call: Call, wanted: np.ndarray, others: dict[int, np.ndarray], after: np.ndarray | None, last: bool
) -> Finding | None:
    """Why a layer is given another delta than it must be; None if it is right.

    Parameters
    ----------
    others : the deltas of the layers after it, and its own, by layer. after : what it passes on itself. last : whether it is
        the last layer.
    """
    got, which = call.given, f"{call.what} of {form.label(call.layer)}"
    if got is None or same(got, wanted):
        return None
    if got.size == wanted.size and (factor := multiple(got.ravel(), wanted.ravel(), 1e-5)):
        if last and form.up_to_factor:
            text = f"{which} is given minus the derivative of the loss."
            return Finding("sign", "", text, "output - y") if factor < 0 else None
        kind, size = of_factor(form, factor)
        text = f"delta at {form.label(call.layer)} is {size} times what it must be."
        return Finding(kind, "", text, "delta goes on as it is; whoever trains divides by the size of the batch, once")
    of = next((i for i, delta in others.items() if i != call.layer and same(got, delta)), None)
    if after is not None and call.what == GRADIENT and same(got, after):
        text = f"{which} is given what backward_delta of the same layer returned."
        hint = "the gradient first, with the same delta; then delta = layer.backward_delta(x, delta)"
        return Finding(form.other_delta[1], "", text, hint)
    if last:
        text = f"{which} is not given the derivative of the loss."
        return Finding(form.other_delta[1], "", text, "begin with the derivative of the loss by the network's output")
    hint = "delta = layer.backward(delta), with the same name on both sides, before the layer below"
    text = f"{which} is given the delta of {form.label(of or 0)}."
    if of is None:
        text = f"{which} is not given what the layer after it returned."
    return Finding(form.other_delta[of is None], "", text, hint)


def wrong_input(form: Form, way: Way, call: Call) -> Finding | None:
    """Why a layer is given another input on the way back than on the way there; None if it is right, or it is given none."""
    own = next(c for c in way.there if c.layer == call.layer)
    if call.x is None or (own.given is not None and call.x.shape == own.given.shape and np.allclose(call.x, own.given)):
        return None
    place = next((c.layer for c in way.there if c is not own and _is(c.given, call.x)), None)
    text = "another array" if place is None else f"the input of {form.label(place)}"
    text = "its own output" if _is(own.result, call.x) else text
    hint = "keep the input of every layer in forward: inputs[i] goes to layer i, inputs[i + 1] is its output"
    return Finding("at-output", "", f"{call.what} of {form.label(call.layer)} is given {text} instead of its own input.", hint)


def _is(one: np.ndarray | None, other: np.ndarray) -> bool:
    return one is not None and one.shape == other.shape and np.allclose(one, other)
