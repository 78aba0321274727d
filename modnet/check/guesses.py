"""The mistakes, tried one by one: what the module would have returned if this were its mistake.

Each guess is computed from the finite differences of the module's own forward; the first that equals what the module gave is
the diagnosis. Nothing is concluded from names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from modnet.check.numeric import EPS, derivative
from modnet.check.question import Question, draw_delta
from modnet.check.report import Finding
from modnet.check.subject import Misbehaviour, Subject, gradients, parameters

Guesses = Iterator[Finding | None]


def precision(subject: Subject) -> float:
    """The relative precision of the module's arithmetic."""
    return EPS if subject.dtype == np.float64 else float(np.finfo(np.float32).eps)


def for_delta(subject: Subject, q: Question) -> Guesses:
    """What backward_delta may have done wrong, the surest sign first."""
    x, delta, got = q.x, q.delta, q.got
    if not np.isfinite(got).all():
        yield q.finding(
            "saturates",
            "backward_delta returns NaN or infinity although the derivative is finite.",
            "a division by zero, a log of zero or an overflow in exp; np.seterr(all='raise') stops at the line",
        )
        return
    if not got.any():
        yield q.finding("not-implemented", "backward_delta returns only zeros.", "compute dL/dinput from delta, and return it")
    if q.is_like(-q.truth):
        yield q.finding("sign", "backward_delta has the wrong sign: it is minus the truth.", "the sign of the derivative")
    if x.shape == q.out.shape and q.is_like(delta):
        yield q.finding(
            "identity",
            "backward_delta returns delta as it came: the module's own derivative is missing.",
            "multiply delta by the derivative of forward at the input",
        )
    other = subject.delta(x, draw_delta(q.out, 7)).ravel()[q.entries]
    if np.allclose(other, got, rtol=1e-10, atol=0):
        yield q.finding(
            "ignores-delta",
            "backward_delta gives the same whatever delta is.",
            "it is the derivative of forward alone; by the chain rule multiply it by delta",
        )
    yield scaled(subject, q, "backward_delta")
    if len(x) > 1 and not subject.batch_statistics and not subject.random:
        changed, changed_delta = x.copy(), delta.copy()
        changed[1:] = changed[1:][::-1] * 0.5 + 0.3
        changed_delta[1:] *= -1.7
        first = subject.delta(changed, changed_delta)[0].ravel()
        if not np.allclose(first, subject.delta(x, delta)[0].ravel(), rtol=1e-9, atol=1e-12):
            yield q.finding(
                "batch-coupled",
                "the result for one example depends on the other examples of the batch.",
                "a sum or maximum over one example needs its axis: axis=-1, keepdims=True; else it runs over the batch",
            )
    if q.whole:
        yield from _of_jacobian(subject, q)
    yield from _of_windows(subject, q)


def _of_jacobian(subject: Subject, q: Question) -> Guesses:
    x, out, delta = q.x, q.out, q.delta
    features_in, features_out = x[0].size, out[0].size
    blocks = q.jacobian.reshape(len(x), features_in, len(x), features_out)
    own = np.stack([blocks[b, :, b] for b in range(len(x))])  # each example's own Jacobian (batch, in, out)
    rows = delta.reshape(len(x), features_out)
    off_diagonal = features_in == features_out and np.abs(own * (1 - np.eye(features_in))).max(initial=0.0) > 1e-9
    if off_diagonal and q.is_like(np.einsum("bii,bi->bi", own, rows)):
        advice = "s it is s * (delta - (delta * s).sum(axis=-1, keepdims=True)), not delta * s * (1 - s)"
        if out.max() <= 0 and np.allclose(np.exp(out).sum(axis=-1), 1):
            advice = "log-softmax out it is delta - np.exp(out) * delta.sum(axis=-1, keepdims=True)"
        elif not np.allclose(out.sum(axis=-1), 1):
            advice = ""
        yield q.finding(
            "diagonal",
            "only the diagonal of the Jacobian is used, but each output depends on several inputs.",
            "dL/dx[j] is a sum over all outputs k of delta[k] * dout[k]/dx[j]"
            + (f"; for a {'softmax ' * advice.startswith('s ')}{advice}" if advice else ""),
        )
    if off_diagonal and q.is_like(np.einsum("bji,bj->bi", own, rows)):
        yield q.finding(
            "transposed",
            "the right numbers with axes swapped: what multiplies delta is not transposed.",
            "if forward is X @ W, backward_delta is delta @ W.T, not delta @ W",
        )
    if x.shape != out.shape:
        return
    at_output = derivative(lambda v: subject.forward(v).ravel(), out.reshape(x.shape).copy(), q.entries, precision(subject))
    if q.is_like(at_output.value @ delta.ravel()):
        yield q.finding(
            "at-output",
            "the derivative is taken at the output of forward instead of its input.",
            "backward_delta is given the input: apply the formula in x to it directly, without calling forward on it first",
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
    with np.errstate(all="ignore"):
        for formula in in_terms_of_output:
            if q.is_like(formula(x)) and np.allclose(formula(out).ravel()[q.entries], q.truth, atol=1e-5):
                yield q.finding(
                    "at-output",
                    "the formula for the derivative in terms of the output is used with the input.",
                    "write out = self.forward(input) first, and use out for the output in the formula",
                )
                return


def _flat(subject: Subject, module: Any, x: np.ndarray) -> np.ndarray:
    return subject.forward(x, module).ravel()


def _of_windows(subject: Subject, q: Question) -> Guesses:
    """What only a window that slides over a signal can do wrong."""
    for name, array in parameters(subject.fresh()).items():
        if array.ndim < 2:
            continue
        for kind, other, message, hint in (
            ("flipped-kernel", array[::-1], "the window is read backwards.", _FLIP),
            ("flipped-kernel", array[::-1, ::-1], "the window is read backwards.", _FLIP),
            (
                "transposed",
                np.swapaxes(array, -1, -2),
                "the right numbers with the axes of the weights swapped.",
                "delta @ W[i].T, not delta @ W[i], if forward is X @ W[i]",
            ),
        ):
            if other.shape != array.shape or np.array_equal(other, array) or (kind == "flipped-kernel" and array.ndim < 3):
                continue
            module = subject.fresh()
            parameters(module)[name][...] = other
            try:
                at_other = derivative(partial(_flat, subject, module), q.x.astype(float), q.entries, precision(subject))
            except Misbehaviour:
                continue
            if q.is_like(at_other.value @ q.delta.ravel()):
                yield q.finding(
                    kind, f"backward_delta has {message}" if kind == "transposed" else f"in backward_delta {message}", hint
                )
    if q.out.ndim < 3 or q.x.ndim != q.out.ndim:
        return
    # What each window alone gives: (entries, batch, windows)
    gives = (q.jacobian * q.delta.ravel()).reshape(len(q.entries), len(q.x), -1, q.out.shape[-1]).sum(axis=(1, 3))
    if ((gives != 0).sum(axis=1) > 1).any():
        for order, which in ((slice(None, None, -1), "last"), (slice(None), "first")):
            ordered = gives[:, order]
            chosen = ordered[np.arange(len(ordered)), np.argmax(np.abs(ordered) > 1e-9, axis=1)]
            if q.is_like(chosen):
                q.line = subject.quote("backward_delta", r"\]\s*=[^=]", r"^return") or q.line
                yield overlap(q, which)


def overlap(q: Question, which: str = "last") -> Finding:
    """The finding for windows that overwrite each other's gradient."""
    return q.finding(
        "overlap",
        f"where windows overlap only the {which} one's gradient is kept.",
        "a position seen by several windows gets the sum: dx[:, start:start + k] += ..., not =",
    )


_FLIP = "weight i of the window belongs to position start + i of the input, in forward and here: no [::-1]"


def for_gradient(subject: Subject, q: Question, name: str, label: str) -> Guesses:
    """What backward_update_gradient may have done wrong to one parameter array."""
    operation = f"the gradient{label}"
    if not np.isfinite(q.got).all():
        yield q.finding(
            "saturates",
            f"{operation} is NaN or infinite although the derivative is finite.",
            "a division by zero or an overflow",
        )
        return
    if q.is_like(-q.truth):
        yield q.finding(
            "sign",
            f"{operation} has the wrong sign: it is minus the truth.",
            "add the gradient itself; the minus sign belongs in update_parameters",
        )
    yield scaled(subject, q, operation)
    shaped = q.truth.reshape(q.shape) if q.whole else np.empty(0)
    if q.whole and len(q.shape) >= 2 and q.shape[-1] == q.shape[-2] and q.is_like(np.swapaxes(shaped, -1, -2)):
        yield q.finding(
            "transposed", f"{operation} has the right numbers, with axes swapped.", "input.T @ delta, not delta.T @ input"
        )
    if q.whole and len(q.shape) >= 3:
        for axes in ((0,), (0, 1)):
            if q.is_like(np.flip(shaped, axes)):
                yield q.finding("flipped-kernel", f"{operation} belongs to the window read backwards.", _FLIP)
    batch = len(q.x)
    by_example = (q.jacobian.reshape(len(q.entries), batch, -1) * q.delta.reshape(1, batch, -1)).sum(axis=2)
    if batch > 1:
        for b, text in ((batch - 1, "last"), (0, "first")):
            if q.is_like(by_example[:, b]):
                yield q.finding(
                    "overwrites",
                    f"{operation} comes from the {text} example of the batch alone.",
                    "sum over all examples; in a loop over them add with +=",
                )
    if q.out.ndim == 3:
        positions = q.out.shape[1]
        by_window = (q.jacobian * q.delta.ravel()).reshape(len(q.entries), batch, positions, -1).sum(axis=(1, 3))
        for w, text in ((positions - 1, "last"), (0, "first")):
            if positions > 1 and q.is_like(by_window[:, w]):
                yield q.finding(
                    "overwrites",
                    f"{operation} comes from the {text} window alone.",
                    "sum over all windows; in a loop over them add with +=",
                )
    if (
        q.got.size > 1
        and np.ptp(q.got) == 0
        and q.whole
        and np.ptp(q.truth) > 0
        and np.isclose(q.got[0], q.truth.sum(), rtol=1e-6)
    ):
        yield q.finding(
            "shape",
            f"{operation} is one number for all of it: the sum runs over every axis.",
            "one number for each output: delta.sum(axis=0), not np.sum(delta)",
        )
    other = subject.gradients(q.x, draw_delta(q.out, 7)).get(name)
    if (
        other is not None
        and other.size == int(np.prod(q.shape))
        and np.allclose(other.ravel()[q.entries], q.got, rtol=1e-10, atol=0)
    ):
        yield q.finding(
            "ignores-delta", f"{operation} is the same whatever delta is.", "multiply by delta before summing over the batch"
        )
    if q.x.shape == q.out.shape:
        module = subject.fresh()
        array = parameters(module)[name]
        start = array.astype(np.float64)
        place = q.out.copy()

        def f(values: np.ndarray) -> np.ndarray:
            array[...] = values
            return subject.forward(place, module).ravel()

        if q.is_like(derivative(f, start, q.entries, precision(subject)).value @ q.delta.ravel()):
            yield q.finding(
                "at-output",
                f"{operation} is computed with the output of forward instead of the input.",
                "backward_update_gradient is given the input: use it, not self.forward(input)",
            )


def scaled(subject: Subject, q: Question, operation: str) -> Finding | None:
    """The finding for a constant factor, with its name; None if the answer is not a multiple of the truth."""
    power = float(q.truth @ q.truth)
    if power == 0 or len(q.truth) < 2:
        return None
    factor = float(q.got @ q.truth) / power
    if not np.isfinite(factor) or abs(factor) < 1e-9 or not q.is_like(factor * q.truth) or abs(factor - 1) < 1e-5:
        return None
    batch, features_in, features_out = len(q.x), q.x[0].size, q.out[0].size
    names: dict[float, str] = {
        1 / batch: f"1/{batch}, one over the size of the batch",
        batch: f"{batch}, the size of the batch",
    }
    sizes = {
        "number of inputs": features_in,
        "number of outputs": features_out,
        "number of all outputs of the batch": batch * features_out,
        "number of channels": q.x.shape[-1],
        "number of output channels": q.out.shape[-1],
    }
    if q.out.ndim > 2:
        sizes["number of windows"] = int(np.prod(q.out.shape[1:-1]))
    sizes |= {
        f"value of {key}": v for key, v in getattr(subject.original, "__dict__", {}).items() if isinstance(v, int) and v > 1
    }
    for value, text in ((2.0, "2"), (0.5, "1/2")):
        names.setdefault(value, text)
    for text, size in sizes.items():
        names.setdefault(1 / size, f"1/{size}, one over the {text}")
        names.setdefault(float(size), f"{size}, the {text}")
    name = next((t for value, t in names.items() if abs(abs(factor) - value) < 1e-4 * value), f"{abs(factor):.6g}")
    minus = "minus " if factor < 0 else ""
    hint = "the constant in front"
    if abs(factor - 1 / batch) < 1e-4 / batch and batch > 1:
        hint = (
            "a mean over the batch, but the contract sums: write sum, not mean, and do not divide by len(X); fit divides once"
        )
    return q.finding("scale", f"{operation} is right but for a factor: it is {minus}{name}, times the truth.", hint)


def direction(q: Question, operation: str, by: str) -> Finding:
    """The finding for what is wrong in no known way."""
    norms = float(np.linalg.norm(q.got)), float(np.linalg.norm(q.truth))
    if norms[1] == 0:
        text = "the derivative of forward is zero here"
    elif norms[0] == 0:
        text = "it is zero"
    else:
        cosine = float(q.got @ q.truth) / (norms[0] * norms[1])
        text = f"the cosine of the angle between them is {cosine:.3g}, the ratio of their lengths {norms[0] / norms[1]:.3g}"
    return q.finding(
        "direction",
        f"{operation} differs from the derivative of forward, in none of the known ways: {text}.",
        f"derive {by} once more from the formula of forward, for one example with one number, and compare with these figures",
    )


__all__ = ["Guesses", "direction", "for_delta", "for_gradient", "gradients", "overlap", "precision", "scaled"]


def first(guesses: Guesses) -> Any:
    """The first guess that holds; None if none does, or if trying one fails."""
    try:
        return next((finding for finding in guesses if finding is not None), None)
    except Misbehaviour:
        return None
