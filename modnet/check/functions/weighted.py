"""Losses of a linear classifier in one function, ``(W, X, y, reg) -> (loss, dW)``, as in CS231n's first assignment.

Or ``propagate(w, b, X, Y) -> (grads, cost)``, of a logistic regression.

The derivative is by W. It is asked without the regularisation and with it: a term that only one of the loss and dW has shows as
a difference that is a multiple of W.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.numeric import derivative
from modnet.check.functions.check import check_backward
from modnet.check.reading.arguments import asks
from modnet.check.reading.lines import quote
from modnet.check.report import Finding, Report, not_checked

Function = Callable[..., Any]


def is_weighted(function: Function) -> bool:
    """Whether a function is such a loss, by the names of its arguments."""
    given = [p.name.lower() for p in asks(function)]
    return (given[:3] in (["w", "x", "y"], ["theta", "x", "y"]) and len(given) <= 4) or given == ["w", "b", "x", "y"]


def examine_weighted(function: Function) -> Report:
    """The report on such a function, at data of its own."""
    name, with_reg = function.__name__, asks(function)[-1].name.lower() not in ("x", "y")
    problem: Misbehaviour | None = None
    for *weights, X, y in _data(with_bias=asks(function)[1].name.lower() == "b"):
        plain = (X, y, 0.0) if with_reg else (X, y)
        try:
            if _answer(call(name, function, *map(np.copy, weights), *plain), weights) is not None:
                break
        except Misbehaviour as raised:
            problem = problem or raised
    else:
        if problem is not None and any(w in problem.message for w in ("NameError", "UnboundLocalError")):
            raise problem
        why = "it does not give a loss and its gradients" if problem is None else problem.message
        return not_checked(name, f"no data was found that it takes: {why}")
    report = check_backward(*_pair(function, plain, weights), *weights)
    if len(weights) > 1:  # of a logistic regression, weights of size 1000 are none
        report.findings = [f for f in report.findings if f.kind != "saturates"]
        report.verdicts = [row for row in report.verdicts if row[2] != "saturates"]
    report.subject = f"{name} on W {weights[0].shape}, X {X.shape}, y {y.shape}"
    if not with_reg or any(f.kind != "saturates" for f in report.findings):
        return report
    W = weights[0]
    other = check_backward(*_pair(function, (X, y, 0.7), weights), W)
    wrong = [f for f in other.findings if f.kind not in {f.kind for f in report.findings}]
    if wrong:
        report.findings += [_regulariser(function, (X, y, 0.7), W) or wrong[0]]
        report.verdict("with reg=0.7", right=False, remark=report.findings[-1].kind)
    return report


def _data(with_bias: bool) -> Iterator[tuple[np.ndarray, ...]]:
    """W, b, X and y; without b labels of three classes, with it two classes, an example a column or a row."""
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)) * 0.5
    if not with_bias:
        yield W, X, np.array([0, 2, 1, 1, 2])
        return
    w, b, y = W[:, :1], np.array([0.3]), np.array([[0.0], [1.0], [1.0], [0.0], [1.0]])
    yield from ((w, b, X.T, y.T), (w, b, X, y), (w[:, 0], b, X, y[:, 0]))


def _answer(found: Any, weights: Sequence[np.ndarray]) -> tuple[Any, list[Any]] | None:
    """The loss and the gradients in what a function returned: (loss, dW), (dw, db, loss) or ({"dw": ..., "db": ...}, loss)."""
    parts = found if isinstance(found, tuple) else ()
    flat = [v for part in parts for v in (part.values() if isinstance(part, dict) else (part,))]
    many = len(weights)
    for i in range(len(flat) - many + 1):
        rest = [v for v in (*flat[:i], *flat[i + many :]) if np.size(v) == 1]
        if rest and all(np.size(g) == w.size for g, w in zip(flat[i : i + many], weights, strict=True)):
            return rest[0], flat[i : i + many]
    return None


def _pair(function: Function, rest: tuple[Any, ...], weights: Sequence[np.ndarray]) -> tuple[Function, Function]:
    """The function as one that gives the loss, and one that gives the gradients."""

    def asked(given: Sequence[np.ndarray]) -> tuple[Any, list[Any]]:
        found = function(*map(np.copy, given), *(r.copy() if isinstance(r, np.ndarray) else r for r in rest))
        return _answer(found, weights) or (np.nan, [])

    def forward(*given: np.ndarray) -> Any:
        return np.asarray(asked(given)[0], dtype=float).reshape(()), [w.copy() for w in given]

    def backward(dout: float, cache: Any) -> Any:
        pairs = zip(asked(cache)[1], cache, strict=True)
        gradients = [dout * np.asarray(g, dtype=float).reshape(w.shape if np.size(g) == 1 else np.shape(g)) for g, w in pairs]
        return tuple(gradients) if len(gradients) > 1 else gradients[0]

    pair = [functools.wraps(function)(f) for f in (forward, backward)]
    for f, names in zip(pair, (("W", "b")[: len(weights)], ("dout", "cache")), strict=True):
        parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
        f.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return pair[0], pair[1]


def _regulariser(function: Function, rest: tuple[Any, ...], W: np.ndarray) -> Finding | None:
    """The finding for a term in W that only one of the two has."""
    got = np.asarray(function(W.copy(), *rest)[1], dtype=float)
    found = derivative(lambda w: np.array([function(w.copy(), *rest)[0]], dtype=float), W, np.arange(W.size), 2.2e-16)
    left = got - found.value.sum(axis=1).reshape(W.shape)
    for term, text in ((W, "W"), (np.sign(W), "sign(W)")):
        factor = float((left * term).sum() / (term * term).sum())
        if abs(factor) > 1e-6 and np.allclose(left, factor * term, atol=1e-5 * abs(factor) + 1e-7):
            return regulariser(function.__name__, factor, text, quote(_holder(function), function.__name__, r"reg", r"^return"))
    return None


def regulariser(where: str, factor: float, text: str, line: str = "") -> Finding:
    """The finding for a gradient that has so many times a term more than its loss."""
    more = "the gradient has a term more" if factor > 0 else "the gradient lacks a term"
    said = f"the regularisation of loss and gradient is not the same: {more}, {factor:.4g} {text}."
    hint = "reg * sum(W^2) in the loss goes with 2 reg W in the gradient, 1/2 reg * sum(W^2) with reg W"
    return Finding("regulariser", where, said, hint, line=line)


def _holder(function: Function) -> type:
    return type(function.__name__, (), {function.__name__: function})
