"""What may be wrong with the gradient by the input: the list of hypotheses, the surest sign first, for the order matters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question, draw_delta
from modnet.check.asking.subject import Subject
from modnet.check.mistakes import elementwise
from modnet.check.mistakes.guesses import FLIP, Hypotheses, Hypothesis, clipped, is_same, lost, scaled, signs
from modnet.check.mistakes.normalising import held_constant
from modnet.check.reading.vocabulary import DELTA

_INSIDE = "derive forward's formula once more, or compare with a table: (tanh)' = 1 - tanh^2, s' = s (1 - s)"


def for_delta(subject: Subject, q: Question) -> Hypotheses:
    """What backward_delta may have done wrong, the surest sign first."""
    x, delta, name = q.x, q.delta, subject.names[DELTA]
    yield from lost(q, name, "compute dL/dinput from delta, and return it", r"np\.(full|array|zeros|ones)\(|int")
    yield Hypothesis("sign", f"{name} has the wrong sign: it is minus the truth.", "the sign of the derivative", -q.truth)
    if x.size == q.out.size and len(x) == len(q.out):
        text = f"{name} returns delta as it came: the module's own derivative is missing."
        hint = "multiply delta by the derivative of forward at the input"
        yield Hypothesis("identity", text, hint, delta)
        if np.abs(past := q.truth - delta.ravel()[q.entries]).max() > 1e-3:
            text = "what goes past the inner part is left out: forward adds the input, and dL/dinput lacks delta itself."
            yield Hypothesis("shortcut", text, "for out = x + f(x) it is delta plus what comes back through f", past)
    if is_same(q, subject.delta(x, draw_delta(q.out, 7))):
        hint = "it is the derivative of forward alone; by the chain rule multiply it by delta"
        yield Hypothesis("ignores-delta", f"{name} gives the same whatever delta is.", hint)
    yield from scaled(subject, q, name)
    yield from clipped(q, name, lambda small: subject.delta(x, small))
    yield from _of_slopes(q, name)
    text = "it is the right derivative, multiplied by the input once more."
    hint = "delta times the derivative of forward, nothing else"
    yield Hypothesis("times-input", text, hint, q.truth * x.ravel()[q.entries])
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
        for what, hint, values in held_constant(q):
            yield Hypothesis("constant-statistics", f"{what}, but every input changes it.", hint, values)
    if q.whole and not subject.columns and len(x) == len(q.out):
        yield from _of_jacobian(subject, q)
        if x.ndim > 2 < q.out.ndim:
            yield from _of_positions(q)
    yield from _of_windows(subject, q)
    gives = q.jacobian * q.delta.ravel()
    if 1 < (gives != 0).sum(axis=1).max(initial=0) <= q.out.size // len(q.out) // 2:
        for order, which in ((slice(None), "first"), (slice(None, None, -1), "last")):
            text = f"an input goes into several outputs, and what they give back is not added: only the {which} one's is kept."
            hint = "sum delta over all outputs that an input went into"
            yield Hypothesis("overwrites", text, hint, _first_given(gives[:, order]))
    yield from signs(q, name)
    if 0 < (q.got == 0).sum() < q.got.size:
        text = f"{name} is right in part and zero elsewhere: what goes through there is not passed back."
        hint = "every number of the input that forward uses gets its part: in a loop over steps, back to the first"
        yield Hypothesis("cut-short", text, hint, np.where(q.got == 0, 0.0, q.truth))


def inside_derivative(q: Question) -> Hypotheses:
    """A mistake within the formula of an elementwise derivative."""
    if (found := elementwise.inside(q)) is not None:
        lines = (r"1\s*[-+]|[-+]\s*1|exp|\*\*",)
        yield Hypothesis(found[0], f"inside the derivative {found[1]}.", _INSIDE, lines=lines)


def _of_positions(q: Question) -> Hypotheses:
    """Axes read in another order before, after, or both; and what all positions were given, at each of them."""

    def reread(a: np.ndarray, back: bool) -> np.ndarray:
        """What reshape makes of an array whose last axis should have been moved to the front, or back."""
        if back:
            return np.moveaxis(a.reshape(len(a), a.shape[-1], *a.shape[1:-1]), 1, -1)
        return np.moveaxis(a, -1, 1).reshape(a.shape)

    for given in (None, True, False):
        delta = q.delta if given is None else reread(q.delta, given)
        truth = (q.jacobian @ delta.ravel()).reshape(q.shape)
        for result in (None, True, False):
            if given is not None or result is not None:
                yield Hypothesis(
                    "channel-mix",
                    "the numbers of one channel are taken for another's: an array is reshaped that should be transposed.",
                    "reshape keeps the order of the numbers and does not swap axes: transpose does, or @ on the last axis",
                    truth if result is None else reread(truth, result),
                    lines=(r"reshape|ravel|flatten",),
                )
    places = tuple(range(1, q.delta.ndim - 1))
    everywhere = np.broadcast_to(q.delta.sum(axis=places, keepdims=True), q.delta.shape)
    text = "each position is given what belongs to all positions together."
    hint = "delta of one position goes to the inputs that made it: no sum over the positions"
    yield Hypothesis("diagonal", text, hint, q.jacobian @ everywhere.ravel(), lines=(r"sum|mean",))


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
    x, out, delta = q.x, q.out, q.delta
    features_in, features_out = x[0].size, out[0].size
    blocks = q.jacobian.reshape(len(x), features_in, len(x), features_out)
    own = np.stack([blocks[b, :, b] for b in range(len(x))])  # each example's own Jacobian (batch, in, out)
    rows = delta.reshape(len(x), features_out)
    off_diagonal = features_in == features_out and np.abs(own * (1 - np.eye(features_in))).max(initial=0.0) > 1e-9
    if off_diagonal:
        advice = "s it is s * (delta - (delta * s).sum(axis=-1, keepdims=True)), not delta * s * (1 - s)"
        if out.max() <= 0 and np.allclose(np.exp(out).sum(axis=-1), 1):
            advice = "log-softmax out it is delta - np.exp(out) * delta.sum(axis=-1, keepdims=True)"
        elif not np.allclose(out.sum(axis=-1), 1, atol=1e-2):
            advice = ""
        yield Hypothesis(
            "diagonal",
            "only the diagonal of the Jacobian is used, but each output depends on several inputs.",
            "dL/dx[j] is a sum over all outputs k of delta[k] * dout[k]/dx[j]"
            + (f"; for a {'softmax ' * advice.startswith('s ')}{advice}" if advice else ""),
            np.einsum("bii,bi->bi", own, rows),
        )
    if off_diagonal and subject.parameters(subject.fresh()):
        text = "the right numbers with axes swapped: what multiplies delta is not transposed."
        hint = "if forward is X @ W, backward_delta is delta @ W.T, not delta @ W"
        yield Hypothesis("transposed", text, hint, np.einsum("bji,bj->bi", own, rows))
    if x.shape == out.shape:
        yield from _at_another_place(subject, q)


def _at_another_place(subject: Subject, q: Question) -> Hypotheses:
    x, out, delta = q.x, q.out, q.delta

    def at(place: np.ndarray) -> np.ndarray:
        found = derivative(lambda v: subject.forward(v).ravel(), place.reshape(x.shape).copy(), q.entries, subject.precision)
        return found.value @ delta.ravel()

    yield Hypothesis(
        "at-output",
        "the derivative is taken at the output of forward instead of its input.",
        "backward_delta is given the input: apply the formula in x to it directly, without calling forward on it first",
        at(out),
    )
    yield Hypothesis(
        "at-delta",
        "the derivative is taken at delta instead of the input.",
        "the condition, or the formula, is in the input that forward was given; delta only multiplies it",
        at(delta),
    )
    yield Hypothesis(
        "sign", "the derivative is taken at minus the input.", "the condition, or the sign in the exponent", at(-x)
    )

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


def _flat(subject: Subject, module: Any, x: np.ndarray) -> np.ndarray:
    return subject.forward(x, module).ravel()


def _of_windows(subject: Subject, q: Question) -> Hypotheses:
    """What only a window that slides over a signal can do wrong."""
    for name, array in subject.parameters(subject.fresh()).items():
        if array.ndim < 2:
            continue
        for kind, other, message, hint in (
            ("flipped-kernel", array[::-1], "in backward_delta the window is read backwards.", FLIP),
            ("flipped-kernel", array[::-1, ::-1], "in backward_delta the window is read backwards.", FLIP),
            (
                "transposed",
                np.swapaxes(array, -1, -2),
                "backward_delta has the right numbers with the axes of the weights swapped.",
                "delta @ W[i].T, not delta @ W[i], if forward is X @ W[i]",
            ),
            (
                "transposed",
                array.swapaxes(0, 1) if array.ndim == 4 else array,
                "in backward_delta the rows and the columns of the window are swapped.",
                "np.tensordot puts the axes that are left in order: transpose only if one is in the wrong place",
            ),
        ):
            if other.shape != array.shape or np.array_equal(other, array) or (kind == "flipped-kernel" and array.ndim < 3):
                continue
            module = subject.fresh()
            subject.parameters(module)[name][...] = other
            try:
                at_other = derivative(partial(_flat, subject, module), q.x.astype(float), q.entries, subject.precision)
            except Misbehaviour:
                continue
            yield Hypothesis(kind, message, hint, at_other.value @ q.delta.ravel())
            if _slides(q) and not subject.without_windows:
                last = _first_given(_by_channel(q, at_other.value).sum(axis=(1, 3))[:, ::-1])
                yield Hypothesis(kind, message, hint, last, also=(overlap(),))
    if not _slides(q):
        return
    gives = _by_channel(q, q.jacobian)
    by_window = gives.sum(axis=(1, 3))
    if subject.without_windows:
        hint = "add to what comes from above at a step what the step after it hands back: dh = dout[:, t] + dh_next"
        text = "each step gets what its own output gives back, and nothing of the later ones."
        yield Hypothesis("cut-short", text, hint, _first_given(by_window))
    elif ((by_window != 0).sum(axis=1) > 1).any():
        for order, which in ((slice(None, None, -1), "last"), (slice(None), "first")):
            yield overlap(which, _first_given(by_window[:, order]))
    single = gives.sum(axis=1).reshape(len(q.entries), -1), gives.sum(axis=1).swapaxes(1, 2).reshape(len(q.entries), -1)
    for each in single:
        yield Hypothesis(
            "overwrites",
            "what several windows and output channels give is not added: only the last one's is kept.",
            "in the loops over windows and output channels add with +=",
            _first_given(each[:, ::-1]),
            (r"\]\s*=[^=]",),
        )


def _slides(q: Question) -> bool:
    """Whether what comes out has positions, as what goes in."""
    return q.out.ndim >= 3 and q.x.ndim == q.out.ndim and len(q.x) == len(q.out)


def _by_channel(q: Question, jacobian: np.ndarray) -> np.ndarray:
    """What each window alone gives: (entries, batch, windows, channels)."""
    return (jacobian * q.delta.ravel()).reshape(len(q.entries), len(q.x), -1, q.out.shape[-1])


def _first_given(gives: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = gives[np.arange(len(gives)), np.argmax(np.abs(gives) > 1e-9, axis=1)]
    return chosen


def overlap(which: str = "last", values: np.ndarray | None = None) -> Hypothesis:
    """Windows overwrite each other's gradient."""
    text = f"where windows overlap only the {which} one's gradient is kept."
    hint = "a position seen by several windows gets the sum: dx[:, start:start + k] += ..., not ="
    return Hypothesis("overlap", text, hint, values, (r"\]\s*=[^=]",))
