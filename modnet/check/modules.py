"""check_module: is each operation of a module what the contract says, and if not, which mistake is it?

The truth about derivatives comes from finite differences of the module's own forward. What the module returns is compared
with it; where they differ, every mistake on the list is *tried*: what would backward return if only the Jacobian's diagonal
had been used, if delta had been forgotten, if the derivative were taken at the output? The one that gives exactly what
the module gave is the diagnosis. Causes come before consequences: a forward that is wrong is reported as that, and its
derivative is still judged as the derivative of what it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.numeric import EPS, Derivative, derivative
from modnet.check.report import Finding, Report, worst
from modnet.check.subject import Misbehaviour, Subject, as_output, call

_ENTRIES = 240  # numbers of the input, or of one parameter array, that are varied one by one
_ALIKE = 1e-4  # how closely, relative to the largest value, a guess must match to be the diagnosis


class Question:
    """One operation of the module, asked at one input: what it answered and what is true.

    Attributes
    ----------
    x (batch, ...), out (batch, ...), delta like out.
    got : what the module returned, of the shape of `target`. truth, low, high : at the entries that were varied.
    entries : flat indices into the target. jacobian (entries, outputs).
    """

    def __init__(self, where: str, x: np.ndarray, out: np.ndarray, delta: np.ndarray, found: Derivative, entries: np.ndarray,
                 shape: tuple[int, ...], tolerance: float) -> None:  # fmt: skip
        self.where, self.x, self.out, self.delta = where, x, out, delta
        self.jacobian, self.entries, self.shape = found.value, entries, shape
        flat = delta.ravel()
        plus, minus = np.maximum(flat, 0), np.minimum(flat, 0)
        self.truth = found.value @ flat
        margin = tolerance * max(float(np.abs(self.truth).max(initial=0.0)), 1e-8)
        self.low = found.low @ plus + found.high @ minus - margin
        self.high = found.high @ plus + found.low @ minus + margin
        self.got = np.empty(0)

    @property
    def whole(self) -> bool:
        """Whether every entry of the target was varied."""
        return len(self.entries) == int(np.prod(self.shape))

    def answer(self, got: np.ndarray) -> None:
        """Take what the module returned."""
        self.got = got.ravel()[self.entries]

    @property
    def excess(self) -> np.ndarray:
        """How far each entry is outside what is admissible."""
        with np.errstate(invalid="ignore"):
            found = np.maximum(np.maximum(self.low - self.got, self.got - self.high), 0)
        return np.where(np.isnan(self.got), np.inf, found)

    @property
    def right(self) -> bool:
        """Whether all entries are admissible."""
        return not (self.excess > 0).any()

    @property
    def error(self) -> float:
        """The largest excess, relative to the largest true value."""
        scale = float(np.abs(self.truth).max(initial=0.0)) or 1.0
        return float(self.excess.max(initial=0.0)) / scale

    def is_like(self, guess: Any) -> bool:
        """Whether the answer is this guess, and the guess is not the truth."""
        values = np.asarray(guess, dtype=float).ravel()
        if values.shape != self.got.shape or not np.isfinite(values).all() or not np.isfinite(self.got).all():
            return False
        scale = max(float(np.abs(values).max(initial=0.0)), 1e-12)
        return bool(np.abs(self.got - values).max(initial=0.0) <= _ALIKE * scale)

    def finding(self, kind: str, message: str, hint: str = "") -> Finding:
        """A finding about this operation, with its worst entry."""
        full_excess, full_got, full_truth = (np.zeros(int(np.prod(self.shape))) for _ in range(3))
        full_excess[self.entries], full_got[self.entries], full_truth[self.entries] = self.excess, self.got, self.truth
        shape = self.shape or (1,)
        figures = worst(full_got.reshape(shape), full_truth.reshape(shape), full_excess.reshape(shape))
        return Finding(kind, self.where, message, hint, **figures)


def check_module(module: Any, input: Any, *, reference: Callable[[np.ndarray], Any] | None = None, make: Any = None) -> Report:
    """Check forward, backward_delta and backward_update_gradient of a module.

    Parameters
    ----------
    module : any object with the contract's methods. It is left as it is: all probes work on copies.
    input : (batch, ...), an array, or a shape to draw one for. Small is best: a few examples of a few numbers.
    reference : the definition of forward at the module's present parameters, ``reference(X) -> Z``. Modules with the name of
        a module of the course are held against that without it.
    make : a function that builds the module with other sizes, to look where one size does not show a mistake.

    Returns
    -------
    report : see `Report`. ``report.raise_if_failed()`` makes a test of it.
    """
    subject = Subject(module)
    x = _input(input, subject)
    report = Report(f"{subject.name} on an input of shape {x.shape}")
    for examine in (_examine_forward, _examine_delta, _examine_gradient):
        try:
            examine(subject, x, report, reference)
        except Misbehaviour as problem:
            operation = examine.__name__.removeprefix("_examine_")
            where = {"forward": "forward", "delta": "backward_delta", "gradient": "backward_update_gradient"}[operation]
            _misbehaved(report, subject, where, problem)
            if operation == "forward":
                break
    return report


def _input(value: Any, subject: Subject) -> np.ndarray:
    if isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        # Values far from zero and from each other: no accidental kinks or ties.
        rng = np.random.default_rng(0)
        size = int(np.prod(value))
        x = (rng.permutation(size) - (size - 1) / 2) * (4 / max(size, 2)) + rng.uniform(0.01, 0.02, size)
        return x.reshape(value).astype(subject.dtype)
    x = np.asarray(value)
    return x.astype(subject.dtype if x.dtype.kind in "fiub" else np.float64)


def _misbehaved(report: Report, subject: Subject, where: str, problem: Misbehaviour) -> None:
    hint = problem.line or {
        "not-implemented": f"write {where}, and end it with return" if where != "backward_update_gradient" else f"write {where}",
        "shape": "the first axis counts examples; sum or reshape only over the other axes",
    }.get(problem.kind, "")
    report.findings.append(Finding(problem.kind, f"{subject.name}.{where}", problem.message + ".", hint))
    report.verdict(where, right=False, remark=problem.kind)


# --- forward ---------------------------------------------------------------------------------------------------------


def _examine_forward(subject: Subject, x: np.ndarray, report: Report, reference: Any) -> None:
    given = x.copy()
    out = as_output(call("forward", subject.fresh().forward, given), "forward", len(x))
    where = f"{subject.name}.forward"
    found: list[Finding] = []
    if not np.array_equal(given, x, equal_nan=True):
        found.append(
            Finding("mutates", where, "forward writes into its input.", "work on a copy, or write out = ... instead of X[...] = ...")
        )
    subject.out = out
    report.findings += found
    report.verdict("forward", right=not found, remark="no definition to compare with" if reference is None else "")


# --- backward_delta --------------------------------------------------------------------------------------------------


def _entries(size: int) -> np.ndarray:
    if size <= _ENTRIES:
        return np.arange(size)
    return np.sort(np.random.default_rng(1).choice(size, _ENTRIES, replace=False))


def _tolerance(subject: Subject) -> float:
    return 1e-6 if subject.dtype == np.float64 else 2e-3


def _precision(subject: Subject) -> float:
    return EPS if subject.dtype == np.float64 else float(np.finfo(np.float32).eps)


def _draw_delta(out: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape)


def _ask_delta(subject: Subject, x: np.ndarray, delta: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """backward_delta(x, delta) of a fresh copy that was last forwarded on `before`."""
    module = subject.fresh()
    call("forward", module.forward, (x if before is None else before).copy())
    answer = call("backward_delta", module.backward_delta, x.copy(), delta.copy())
    if answer is None:
        raise Misbehaviour("not-implemented", "backward_delta returns None")
    return np.array(answer, dtype=np.float64)


def _examine_delta(subject: Subject, x: np.ndarray, report: Report, reference: Any) -> None:
    where = f"{subject.name}.backward_delta"
    out, delta = subject.out, _draw_delta(subject.out, 2)
    got = _ask_delta(subject, x, delta)
    if got.shape != x.shape:
        hint = "multiply by the transpose of what forward multiplies by" if got.T.shape == x.shape else "return dL/dinput"
        report.findings.append(
            Finding("shape", where, f"backward_delta returns shape {got.shape}, expected {x.shape}, that of the input.", hint)
        )
        report.verdict("backward_delta", right=False, remark="shape")
        return
    entries = _entries(x.size)
    module = subject.fresh()
    jacobian = derivative(lambda v: subject.forward(v, module).ravel(), x.astype(np.float64), entries, _precision(subject))
    question = Question(where, x, out, delta, jacobian, entries, x.shape, _tolerance(subject))
    question.answer(got)
    finding = None
    if not question.right:
        finding = next((f for f in _guesses_for_delta(subject, question) if f is not None), None)
    report.verdict("backward_delta", question.error, right=finding is None)
    if finding is not None:
        report.findings.append(finding)


def _guesses_for_delta(subject: Subject, q: Question) -> Iterator[Finding | None]:
    """The mistakes, the surest sign first."""
    x, out, delta, got = q.x, q.out, q.delta, q.got
    if not got.any():
        yield q.finding("not-implemented", "backward_delta returns only zeros.", "compute dL/dinput from delta")
    if q.is_like(-q.truth):
        yield q.finding("sign", "backward_delta has the wrong sign: it is minus the truth.", "the sign of the derivative")
    if x.shape == out.shape and q.is_like(delta.ravel()[q.entries]):
        yield q.finding(
            "identity",
            "backward_delta returns delta as it came: the module's own derivative is missing.",
            "multiply delta by the derivative of forward at the input",
        )
    other = _ask_delta(subject, x, _draw_delta(out, 7)).ravel()[q.entries]
    if np.allclose(other, got, rtol=1e-10, atol=0):
        yield q.finding(
            "ignores-delta",
            "backward_delta gives the same whatever delta is.",
            "it is the derivative of forward alone; by the chain rule it must be multiplied by delta",
        )
    yield _scaled(q, len(x), "backward_delta")
    if q.whole:
        features_in, features_out = x[0].size, out[0].size
        blocks = q.jacobian.reshape(len(x), features_in, len(x), features_out)
        own = np.stack([blocks[b, :, b] for b in range(len(x))])  # each example's own Jacobian (batch, in, out)
        rows = delta.reshape(len(x), features_out)
        if features_in == features_out:
            if q.is_like(np.einsum("bii,bi->bi", own, rows)):
                yield q.finding(
                    "diagonal",
                    "only the diagonal of the Jacobian is used, but each output depends on several inputs.",
                    "dL/dx[j] is a sum over all outputs k of delta[k] * dout[k]/dx[j]; for a softmax s it is "
                    "s * (delta - (delta * s).sum(axis=-1, keepdims=True)), not delta * s * (1 - s)",
                )
            if q.is_like(np.einsum("bji,bj->bi", own, rows)):
                yield q.finding(
                    "transposed",
                    "the right numbers with axes swapped: the Jacobian is used untransposed.",
                    "delta @ W.T, not delta @ W, where forward is X @ W",
                )
            at_output = derivative(
                lambda v: subject.forward(v).ravel(), out.reshape(x.shape).astype(np.float64), q.entries, _precision(subject)
            )
            if q.is_like(at_output.value @ delta.ravel()):
                yield q.finding(
                    "at-output",
                    "the derivative is taken at the output of forward, where it belongs at its input.",
                    "backward_delta is given the input x: if the formula is in terms of the output, compute forward(x) first; "
                    "if it is in terms of x, do not apply forward again",
                )
            for formula in (lambda z: 1 - z**2, lambda z: z * (1 - z)):
                if q.is_like(delta * formula(x)) and not q.is_like(q.truth):
                    yield q.finding(
                        "at-output",
                        "the formula for the derivative in terms of the output is used with the input.",
                        "compute out = self.forward(input) first, and use out in the formula",
                    )
    yield _direction(q, "backward_delta")


def _scaled(q: Question, batch: int, operation: str) -> Finding | None:
    power = float(q.truth @ q.truth)
    if power == 0:
        return None
    factor = float(q.got @ q.truth) / power
    if not np.isfinite(factor) or abs(factor) < 1e-9 or not q.is_like(factor * q.truth):
        return None
    features_in, features_out = q.x[0].size, q.out[0].size
    names = {
        float(batch): f"the size of the batch, {batch}", 1 / batch: f"1 over the size of the batch, 1/{batch}",
        2.0: "2", 0.5: "1/2", -2.0: "-2", -0.5: "-1/2", -float(batch): f"minus the batch, {batch}", -1 / batch: f"-1/{batch}",
        float(features_in): f"the number of inputs, {features_in}", 1 / features_in: f"1 over the number of inputs, 1/{features_in}",
        float(features_out): f"the number of outputs, {features_out}",
        1 / features_out: f"1 over the number of outputs, 1/{features_out}",
        1 / (batch * features_out): f"1 over all {batch * features_out} outputs of the batch",
    }  # fmt: skip
    name = next((text for value, text in names.items() if abs(factor - value) < 1e-4 * abs(value)), f"{factor:.6g}")
    hint = "the constant in front"
    if abs(factor - 1 / batch) < 1e-4 / batch:
        hint = "a mean over the batch where the contract sums: write sum, not mean, and do not divide by len(X)"
    return q.finding("scale", f"{operation} is right but for a factor: it is {name} times the truth.", hint)


def _direction(q: Question, operation: str) -> Finding:
    norms = float(np.linalg.norm(q.got)), float(np.linalg.norm(q.truth))
    cosine = float(q.got @ q.truth) / (norms[0] * norms[1]) if all(norms) and np.isfinite(norms[0]) else float("nan")
    ratio = norms[0] / norms[1] if norms[1] else float("inf")
    return q.finding(
        "direction",
        f"{operation} differs from the derivative of forward, in none of the known ways: the cosine of the angle between "
        f"them is {cosine:.3g}, the ratio of their lengths {ratio:.3g}.",
        "derive dL/dinput once more from the formula of forward, for one example with one number, and compare",
    )


# --- backward_update_gradient ----------------------------------------------------------------------------------------


def _examine_gradient(subject: Subject, x: np.ndarray, report: Report, reference: Any) -> None:
    where = f"{subject.name}.backward_update_gradient"
    parameters = subject.parameters(subject.fresh())
    out, delta = subject.out, _draw_delta(subject.out, 3)
    questions = {name: _ask_parameter(subject, where, x, out, delta, name, array.shape) for name, array in parameters.items()}
    # Arrays that forward does not depend on are not parameters, unless they are kept as such.
    questions = {n: q for n, q in questions.items() if n.startswith("_parameters") or np.abs(q.truth).max(initial=0.0) > 1e-9}
    if not questions:
        report.verdict("backward_update_gradient", right=None, remark="no parameters")
        return
    findings = _accumulation(subject, where, x, delta)
    first = {} if findings else _gradients(subject, x, delta)
    error = 0.0
    for name, question in questions.items():
        if findings:
            break
        got = _matching_gradient(name, question, first)
        label = "" if name == "_parameters" else f" of {name}"
        if got is None:
            shapes = [a.shape for a in first.values()]
            if name.startswith("_parameters") and shapes and question.shape not in shapes:
                turned = question.shape[::-1] in shapes
                findings.append(
                    Finding(
                        "shape", where, f"the gradient{label} has shape {shapes[0]}, expected {question.shape}, that of the parameters.",
                        "input.T @ delta, not delta.T @ input" if turned else "the gradient has one number for each parameter",
                    )
                )  # fmt: skip
            else:
                findings.append(_missing(subject, where, name, question))
            continue
        question.answer(got)
        error = max(error, question.error)
        if not question.right:
            findings.append(next(f for f in _guesses_for_gradient(subject, question, name, label) if f is not None))
    report.verdict("backward_update_gradient", None if findings else error, right=not findings,
                   remark=findings[0].kind if findings else "")  # fmt: skip
    report.findings += findings[:1] if findings and findings[0].kind in ("overwrites", "double-counts", "never-zeroed") else findings


def _ask_parameter(
    subject: Subject, where: str, x: np.ndarray, out: np.ndarray, delta: np.ndarray, name: str, shape: tuple[int, ...]
) -> Question:
    module = subject.fresh()
    array = subject.parameters(module)[name]
    start = array.astype(np.float64)
    entries = _entries(array.size)

    def f(values: np.ndarray) -> np.ndarray:
        array[...] = values
        return subject.forward(x, module).ravel()

    found = derivative(f, start, entries, _precision(subject))
    return Question(where, x, out, delta, found, entries, shape, _tolerance(subject))


def _gradients(subject: Subject, x: np.ndarray, delta: np.ndarray, times: int = 1, zero: bool = True) -> dict[str, np.ndarray]:
    """Every array that may be a gradient after so many calls on a fresh copy whose gradients were set to zero."""
    module = subject.fresh()
    if zero and callable(getattr(module, "zero_grad", None)):
        call("zero_grad", module.zero_grad)
    for _ in range(times):
        call("forward", module.forward, x.copy())
        call("backward_update_gradient", module.backward_update_gradient, x.copy(), delta.copy())
    return _gradient_arrays(subject, module)


def _gradient_arrays(subject: Subject, module: Any) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    held = getattr(module, "_gradient", None)
    if isinstance(held, dict):
        found.update({f"_parameters[{k!r}]": np.array(v, float) for k, v in held.items() if v is not None})
    elif held is not None:
        found["_parameters"] = np.array(held, float)
    known = subject.parameters(module)
    for name, value in ({} if hasattr(module, "_pieces") else vars(module)).items():
        if name not in ("_gradient", "_parameters") and name not in known:
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                found[name] = value.astype(float)
            elif isinstance(value, dict):
                found.update({f"{name}[{k!r}]": np.array(v, float) for k, v in value.items() if isinstance(v, np.ndarray)})
    return found


def _matching_gradient(name: str, question: Question, found: dict[str, np.ndarray]) -> np.ndarray | None:
    """The gradient that belongs to a parameter: by name, else by being right, else by shape and a likely name."""
    if name.startswith("_parameters"):
        got = found.get(name)
        return got if got is not None and got.shape == question.shape else None
    likely = []
    for other, array in found.items():
        if array.shape == question.shape or array.size == int(np.prod(question.shape)):
            question.answer(array)
            if question.right:
                return array
            if "grad" in other.lower() or other.lower().startswith(("d_", "_d", "d")):
                likely.append(array)
    return likely[0] if len(likely) == 1 else None


def _missing(subject: Subject, where: str, name: str, question: Question) -> Finding:
    return Finding(
        "missing-parameter",
        where,
        f"{name} changes the output, but gets no gradient.",
        f"add its gradient too: for a bias added to every row it is delta.sum(axis=0); {name} never learns without",
    )


def _accumulation(subject: Subject, where: str, x: np.ndarray, delta: np.ndarray) -> list[Finding]:
    """Does a second call add, and does zero_grad leave zeros?"""
    once, twice = _gradients(subject, x, delta), _gradients(subject, x, delta, times=2)
    for name, first in once.items():
        second = twice.get(name)
        if second is None or second.shape != first.shape or not first.any() or not np.isfinite(first).all():
            continue
        if not (name.startswith("_parameters") or "grad" in name.lower()):
            continue
        if np.allclose(second, first, rtol=1e-9):
            return [
                Finding(
                    "overwrites", where, "a second call leaves the gradient as after the first: it is set, where it must be added to.",
                    "self._gradient += ..., not self._gradient = ...",
                )
            ]  # fmt: skip
        if not np.allclose(second, 2 * first, rtol=1e-6, atol=1e-9 * float(np.abs(first).max())):
            ratio = float((second.ravel() @ first.ravel()) / (first.ravel() @ first.ravel()))
            return [
                Finding(
                    "double-counts", where, f"after a second call the gradient is {ratio:.4g} times that of the first, expected 2 times.",
                    "add what belongs to this call only: self._gradient += new, where new does not contain self._gradient",
                )
            ]  # fmt: skip
    module = subject.fresh()
    if callable(getattr(module, "zero_grad", None)):
        call("zero_grad", module.zero_grad)
        call("forward", module.forward, x.copy())
        call("backward_update_gradient", module.backward_update_gradient, x.copy(), delta.copy())
        call("zero_grad", module.zero_grad)
        for name, array in _gradient_arrays(subject, module).items():
            is_gradient = name.startswith("_parameters") or "grad" in name.lower()
            if is_gradient and name in once and once[name].any() and array.any():
                return [
                    Finding(
                        "never-zeroed", f"{subject.name}.zero_grad", f"after zero_grad {name.replace('_parameters', '_gradient')} is not zero.",
                        "set every gradient to zeros of its parameter's shape",
                    )
                ]  # fmt: skip
    return []


def _guesses_for_gradient(subject: Subject, q: Question, name: str, label: str) -> Iterator[Finding | None]:
    operation = f"the gradient{label}"
    if not q.got.any():
        yield _missing(subject, q.where, name, q)
    if q.is_like(-q.truth):
        yield q.finding("sign", f"{operation} has the wrong sign.", "the sign; update_parameters subtracts it")
    yield _scaled(q, len(q.x), operation)
    if q.whole and len(q.shape) == 2 and q.shape[0] == q.shape[1] and q.is_like(q.truth.reshape(q.shape).T):
        yield q.finding("transposed", f"{operation} has the right numbers, with axes swapped.", "input.T @ delta, not delta.T @ input")
    if q.whole and len(q.shape) >= 3:
        truth = q.truth.reshape(q.shape)
        for axes in ((0,), (0, 1)):
            if q.is_like(np.flip(truth, axes)):
                yield q.finding("flipped-kernel", f"{operation} is that of the window read backwards.",
                                "weight k belongs to position start + k of the input, in forward and here")  # fmt: skip
    batch = len(q.x)
    if batch > 1:
        by_example = (q.jacobian.reshape(len(q.entries), batch, -1) * q.delta.reshape(1, batch, -1)).sum(axis=2)
        for b, text in ((batch - 1, "last"), (0, "first")):
            if q.is_like(by_example[:, b]):
                yield q.finding("overwrites", f"{operation} is that of the {text} example of the batch alone.",
                                "sum over all examples; in a loop over them add with +=")  # fmt: skip
    if q.is_like(q.jacobian.sum(axis=1)):
        yield q.finding("ignores-delta", f"{operation} does not depend on delta.", "multiply by delta before summing over the batch")
    yield _direction(q, operation)
