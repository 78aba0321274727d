"""What may be wrong with the gradient by the input: the list of hypotheses, the surest sign first, for the order matters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from modnet.check.asking.calls import tried
from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question, draw_delta
from modnet.check.asking.subject import Subject
from modnet.check.mistakes import elementwise
from modnet.check.mistakes.guesses import (
    Hypotheses,
    Hypothesis,
    clipped,
    factor_name,
    factors,
    is_same,
    lost,
    made,
    scale,
    scaled,
    signs,
)
from modnet.check.mistakes.normalising import of_statistics
from modnet.check.mistakes.windows import first_given, flat, of_windows
from modnet.check.reading.vocabulary import DELTA

_INSIDE = "derive forward's formula once more, or compare with a table: (tanh)' = 1 - tanh^2, s' = s (1 - s)"


def for_delta(subject: Subject, q: Question) -> Hypotheses:
    """What backward_delta may have done wrong, the surest sign first."""
    x, delta, name = q.x, q.delta, subject.names[DELTA]
    yield from lost(q, name, "compute dL/dinput from delta, and return it", r"np\.(full|array|zeros|ones)\(|int")
    yield made(q, "sign", f"{name} has the wrong sign: it is minus the truth.", "the sign of the derivative", after=np.negative)
    if x.size == q.out.size and len(x) == len(q.out):
        text = f"{name} returns delta as it came: the module's own derivative is missing."
        hint = "multiply delta by the derivative of forward at the input"
        past = np.eye(x.size)[q.entries]
        yield made(q, "identity", text, hint, slopes=past)
        inner = q.jacobian - past
        if np.abs(inner @ delta.ravel()).max() > 1e-3 and np.abs(inner * (past == 0)).max() > 1e-9:
            text = "what goes past the inner part is left out: forward adds the input, and dL/dinput lacks delta itself."
            hint = "for out = x + f(x) it is delta plus what comes back through f"
            yield made(q, "shortcut", text, hint, slopes=inner)
    text = f"{name} gives the same whatever delta is."
    hint = "it is the derivative of forward alone; by the chain rule multiply it by delta"
    if is_same(q, subject.delta(x, draw_delta(q.out, 7))):
        yield Hypothesis("ignores-delta", text, hint)
    yield made(q, "ignores-delta", text, hint, delta=np.ones(delta.shape))
    yield from scaled(subject, q, name)
    yield from clipped(q, name, lambda small: subject.delta(x, small))
    yield from _of_slopes(q, name)
    text = "it is the right derivative, multiplied by the input once more."
    hint = "delta times the derivative of forward, nothing else"
    yield made(q, "times-input", text, hint, after=lambda gradient: gradient * x.ravel()[q.entries])
    if len(x) == len(q.out) > 1 and not (subject.batch_statistics or subject.random or subject.columns):
        changed, changed_delta = x.copy(), delta.copy()
        changed[1:] = changed[1:][::-1] * 0.5 + 0.3
        changed_delta[1:] *= -1.7
        first = subject.delta(changed, changed_delta)[0].ravel()
        if not np.allclose(first, subject.delta(x, delta)[0].ravel(), rtol=1e-9, atol=1e-12):
            yield Hypothesis(
                "batch-coupled",
                "the result for one example depends on the other examples of the batch.",
                "a sum or maximum over one example needs its axis: axis=-1, keepdims=True; else it runs over the batch",
            )
    if q.whole and x.shape == q.out.shape and x.ndim > 1:
        for kind, what, hint, slopes in of_statistics(q):
            yield made(q, kind, what, hint, slopes=slopes)
    if q.whole and not subject.columns and len(x) == len(q.out):
        yield from _of_jacobian(subject, q)
        if x.shape == q.out.shape:
            yield from _at_another_place(subject, q)
        if x.ndim > 2 < q.out.ndim:
            yield from _of_positions(q)
    yield from _without_parameters(subject, q)
    yield from of_windows(subject, q)
    gives = q.jacobian * q.delta.ravel()
    if 1 < (gives != 0).sum(axis=1).max(initial=0) <= q.out.size // len(q.out) // 2:
        for order, which in ((slice(None), "first"), (slice(None, None, -1), "last")):
            text = f"an input goes into several outputs, and what they give back is not added: only the {which} one's is kept."
            hint = "sum delta over all outputs that an input went into"
            yield made(q, "overwrites", text, hint, add=lambda gives, order=order: first_given(gives[:, order]))
    yield from signs(q, name)
    if 0 < (q.got == 0).sum() < q.got.size:
        text = f"{name} is right in part and zero elsewhere: what goes through there is not passed back."
        hint = "every number of the input that forward uses gets its part: in a loop over steps, back to the first"
        yield Hypothesis("cut-short", text, hint, np.where(q.got == 0, 0.0, q.truth))


def inside_derivative(subject: Subject, q: Question, alone: bool) -> list[Hypothesis]:
    """The mistake within the formula of an elementwise derivative, alone or with one beside it; empty if it is none.

    Beside it the derivative is taken elsewhere, delta is left out, or there is a factor.
    """
    diagonal = q.x.shape == q.out.shape and q.whole and np.allclose(q.jacobian, np.diag(np.diagonal(q.jacobian)), atol=1e-9)
    if not diagonal:
        return []
    beside = {} if alone else {h.kind: h for h in for_delta(subject, q) if h.changed}
    elsewhere = [("at-delta", q.delta, q.delta), ("at-output", q.out, q.delta), ("ignores-delta", q.x, np.ones(1))]
    for kind, place, times in [("", q.x, q.delta), *([] if alone else elsewhere)]:
        slopes = q.jacobian if place is q.x else _at(subject, q, place)
        ours = elementwise.Derivatives(place.ravel(), q.moved(place).ravel(), np.diagonal(slopes))
        for factor in (1.0,) if alone or kind else (1 / len(q.x), 2.0, 0.5):
            found = ours.inside(q.got / times.ravel() / factor)
            if found is None:
                continue
            lines = (r"1\s*[-+]|[-+]\s*1|exp|\*\*",)
            inside = Hypothesis(found[0], f"inside the derivative {found[1]}.", _INSIDE, lines=lines)
            if factor != 1:
                scaling = scale(q, subject.names[DELTA], factor, factor_name(subject, q, factor), beside=True)
                return [inside, Hypothesis(scaling.kind, scaling.message, scaling.hint)]
            return [beside[kind], inside] if kind else [inside]
    return []


def _at(subject: Subject, q: Question, place: np.ndarray) -> np.ndarray:
    """The derivative at another place."""
    return derivative(lambda v: q.moved(v).ravel(), place.astype(float), q.entries, subject.precision).value


def _of_positions(q: Question) -> Hypotheses:
    """Axes read in another order before, after, or both; and what all positions were given, at each of them."""

    def reread(a: np.ndarray, back: bool) -> np.ndarray:
        """What reshape makes of an array whose last axis should have been moved to the front, or back."""
        if back:
            return np.moveaxis(a.reshape(len(a), a.shape[-1], *a.shape[1:-1]), 1, -1)
        return np.moveaxis(a, -1, 1).reshape(a.shape)

    text = "the numbers of one channel are taken for another's: an array is reshaped that should be transposed."
    hint = "reshape keeps the order of the numbers and does not swap axes: transpose does, or @ on the last axis"
    for given, result in product((None, True, False), repeat=2):
        changed: dict[str, Any] = {} if given is None else {"delta": reread(q.delta, given)}
        if result is not None:
            changed["after"] = lambda gradient, back=result: reread(gradient.reshape(q.shape), back).ravel()
        if changed:
            yield made(q, "channel-mix", text, hint, (r"reshape|ravel|flatten",), **changed)
    places = tuple(range(1, q.delta.ndim - 1))
    everywhere = np.broadcast_to(q.delta.sum(axis=places, keepdims=True), q.delta.shape)
    text = "each position is given what belongs to all positions together."
    hint = "delta of one position goes to the inputs that made it: no sum over the positions"
    yield made(q, "diagonal", text, hint, (r"sum|mean",), delta=everywhere)


def _of_slopes(q: Question, name: str) -> Hypotheses:
    """Right up to a constant, another one for negative inputs than for positive ones."""
    x = q.x.ravel()[q.entries]
    if q.x.shape != q.out.shape or not (x > 0).any() or not (x < 0).any():
        return
    factors = [q.factor(q.truth, where) for where in (x > 0, x < 0)]
    if all(f is not None for f in factors) and abs(float(factors[0] or 0) - float(factors[1] or 0)) > 1e-6:
        sides = [(float(f or 0), text) for f, text in zip(factors, ("positive", "negative"), strict=True)]
        words = [
            f"{f:.4g} times the truth for {text} inputs" if abs(f - 1) > 1e-6 else f"right for {text} inputs"
            for f, text in sides
        ]
        if {round(f, 6) for f, _ in sides} == {1, -1}:
            text = f"{name} has the wrong sign for {next(t for f, t in sides if f < 0)} inputs."
            yield Hypothesis("sign", text, "the sign of the slope on that side")
        yield Hypothesis(
            "scale",
            f"{name} is {' and '.join(words)}.",
            "the slope there: forward and backward must use the same, such as self.alpha in both",
        )


def _of_jacobian(subject: Subject, q: Question) -> Hypotheses:
    x, out = q.x, q.out
    features_in, features_out = x[0].size, out[0].size
    blocks = q.jacobian.reshape(len(x), features_in, len(x), features_out)
    own = np.stack([blocks[b, :, b] for b in range(len(x))])  # each example's own Jacobian (batch, in, out)

    def in_each(changed: np.ndarray) -> np.ndarray:
        """The Jacobian of the batch from one of each example (batch, in, out)."""
        found = np.zeros(blocks.shape)
        found[np.arange(len(x)), :, np.arange(len(x))] = changed
        return found.reshape(q.jacobian.shape)

    square = features_in == features_out
    if not (square and np.abs(own * (1 - np.eye(features_in))).max(initial=0.0) > 1e-9):
        return
    alone, beside, others = _alone_and_beside(own)
    advice = _advice_on_sum(out)
    yield made(
        q,
        "diagonal",
        "only the diagonal of the Jacobian is used, but each output depends on several inputs.",
        "dL/dx[j] is a sum over all outputs k of delta[k] * dout[k]/dx[j]" + advice,
        slopes=in_each(alone + beside),
    )
    if subject.parameters(subject.fresh()):
        text = "the right numbers with axes swapped: what multiplies delta is not transposed."
        hint = "if forward is X @ W, backward_delta is delta @ W.T, not delta @ W"
        yield made(q, "transposed", text, hint, slopes=in_each(own.swapaxes(1, 2)))
    hint = "an output changes with its own input twice, directly and by the sum that all share" + advice
    for changed, text in (
        (alone + beside - others, "the Jacobian has the wrong sign beside its diagonal"),
        (alone - beside + others, "on the diagonal of the Jacobian the part that all outputs share has the wrong sign"),
        (alone + others, "on the diagonal of the Jacobian the part that all outputs share is left out"),
        (alone, "of the Jacobian the part that all outputs share is left out"),
    ):
        yield made(q, "sign" if "sign" in text else "missing-factor", f"{text}.", hint, slopes=in_each(changed))
    for factor in factors(q):
        finding = scale(q, "in the Jacobian the part that all outputs share", factor, factor_name(subject, q, factor))
        yield made(q, finding.kind, finding.message, hint, slopes=in_each(alone + factor * (beside + others)))


def _without_parameters(subject: Subject, q: Question) -> Hypotheses:
    """A parameter that forward multiplies by, and backward does not."""
    for name, array in subject.parameters(subject.fresh()).items():
        module = subject.fresh()
        subject.parameters(module)[name][...] = 1
        found = tried(derivative, partial(flat, subject, module), q.x.astype(float), q.entries, subject.precision)
        if array.ndim == 1 and found is not None and found.value.shape == q.jacobian.shape:
            text = f"the factor {name.split('.')[-1]} is left out."
            hint = "what forward multiplies by, its derivative is multiplied by, too"
            yield made(q, "missing-factor", text, hint, slopes=found.value)


def _alone_and_beside(own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Square Jacobians (batch, n, n) as diag(v) + R, R of rank one, as of a softmax: diag(v), the diagonal of R, and the rest.

    Of R all but the diagonal is seen; there it is R[i, j] R[k, i] / R[k, j] for any two others. With two numbers all is v.
    """
    diagonal, n = np.eye(own.shape[1]) * own, own.shape[1]
    beside = np.zeros(own.shape)
    for i in range(n if n > 2 else 0):
        j, k = (i + 1) % n, (i + 2) % n
        with np.errstate(all="ignore"):
            beside[:, i, i] = np.nan_to_num(own[:, i, j] * own[:, k, i] / own[:, k, j], posinf=0, neginf=0)
    return diagonal - beside, beside, own - diagonal


def _advice_on_sum(out: np.ndarray) -> str:
    """What the derivative of a softmax or a log-softmax is, if this is the output of one."""
    if out.max() <= 0 and np.allclose(np.exp(out).sum(axis=-1), 1):
        return "; for a log-softmax out it is delta - np.exp(out) * delta.sum(axis=-1, keepdims=True)"
    if np.allclose(out.sum(axis=-1), 1, atol=1e-2):
        return "; for a softmax s it is s * (delta - (delta * s).sum(axis=-1, keepdims=True)), not delta * s * (1 - s)"
    return ""


def _at_another_place(subject: Subject, q: Question) -> Hypotheses:
    x, out, delta = q.x, q.out, q.delta

    yield made(
        q,
        "at-output",
        "the derivative is taken at the output of forward instead of its input.",
        "backward_delta is given the input: apply the formula in x to it directly, without calling forward on it first",
        slopes=_at(subject, q, out),
    )
    yield made(
        q,
        "at-delta",
        "the derivative is taken at delta instead of the input.",
        "the condition, or the formula, is in the input that forward was given; delta only multiplies it",
        slopes=_at(subject, q, delta),
    )
    hint = "the condition, or the sign in the exponent"
    yield made(q, "sign", "the derivative is taken at minus the input.", hint, slopes=_at(subject, q, -x))

    def softmax(z: np.ndarray) -> np.ndarray:
        return z * (delta - (delta * z).sum(axis=-1, keepdims=True))

    def logsoftmax(z: np.ndarray) -> np.ndarray:
        found: np.ndarray = delta - np.exp(z) * delta.sum(axis=-1, keepdims=True)
        return found

    in_terms_of_output: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
        lambda z: delta * (1 - z**2),
        lambda z: delta * z * (1 - z),
        lambda z: delta * z,
        softmax,
        logsoftmax,
        lambda z: delta * (1 - np.exp(-z)),
    )
    truths = [q.truth]
    if q.whole and q.jacobian.shape == (x.size, x.size):
        truths.append(delta.ravel() * np.diagonal(q.jacobian))  # of a softmax, taken for a function of each number
    with np.errstate(all="ignore"):
        for formula in in_terms_of_output:
            fits = [bool(np.allclose(formula(out).ravel()[q.entries], truth, atol=1e-5)) for truth in truths]
            if any(fits):
                more = "" if fits[0] else "; of a softmax that is the diagonal alone: all is out * (delta - sum(delta * out))"
                yield Hypothesis(
                    "at-output",
                    "the formula for the derivative in terms of the output is used with the input.",
                    "write out = self.forward(input) first, and use out for the output in the formula" + more,
                    formula(x),
                )
    other = {
        "softmax": softmax(out) if out.min() >= 0 else None,
        "log-softmax with delta - sum(delta * s), the factor s left out": delta - (delta * np.exp(out)).sum(-1, keepdims=True)
        if out.max() <= 0
        else None,
        "softmax, used for log-softmax": softmax(np.exp(np.minimum(out, 0))) if out.max() <= 0 else None,
    }
    for text, values in other.items():
        if values is not None:
            yield Hypothesis(
                "other-function",
                f"it is the derivative of another function: {text}.",
                "for a log-softmax out it is delta - np.exp(out) * delta.sum(axis=-1, keepdims=True)",
                values,
            )
