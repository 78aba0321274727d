"""Losses of a linear classifier in one function, ``(W, X, y, reg) -> (loss, dW)``, as in CS231n's first assignment.

The derivative is by W. It is asked without the regularisation and with it: a term that only one of the loss and dW has shows as
a difference that is a multiple of W.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.check.arguments import asks
from modnet.check.functions import check_backward
from modnet.check.lines import quote
from modnet.check.numeric import derivative
from modnet.check.report import Finding, Report, not_checked
from modnet.check.subject import Misbehaviour, call

Function = Callable[..., Any]


def is_weighted(function: Function) -> bool:
    """Whether a function is such a loss, by the names of its arguments."""
    given = [p.name.lower() for p in asks(function)]
    return given[:3] in (["w", "x", "y"], ["theta", "x", "y"]) and len(given) <= 4


def examine_weighted(function: Function) -> Report:
    """The report on such a function, at data of its own."""
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)) * 0.5
    y = np.array([0, 2, 1, 1, 2])
    with_reg = len(asks(function)) == 4
    name = function.__name__
    plain = (X, y, 0.0) if with_reg else (X, y)
    try:
        found = call(name, function, W.copy(), *plain)
    except Misbehaviour as problem:
        found = problem
    if not (isinstance(found, tuple) and len(found) == 2 and np.size(found[0]) == 1 and np.shape(found[1]) == W.shape):
        if isinstance(found, Misbehaviour) and any(w in found.message for w in ("NameError", "UnboundLocalError")):
            raise found
        why = found.message if isinstance(found, Misbehaviour) else "it does not give (loss, dW)"
        return not_checked(name, f"no data was found that it takes: {why}")
    report = check_backward(*_pair(function, plain), W)
    report.subject = f"{name} on W {W.shape}, X {X.shape}, y {y.shape}"
    if not with_reg or any(f.kind != "saturates" for f in report.findings):
        return report
    other = check_backward(*_pair(function, (X, y, 0.7)), W)
    wrong = [f for f in other.findings if f.kind not in {f.kind for f in report.findings}]
    if wrong:
        report.findings += [_regulariser(function, (X, y, 0.7), W) or wrong[0]]
        report.verdict("with reg=0.7", right=False, remark=report.findings[-1].kind)
    return report


def _pair(function: Function, rest: tuple[Any, ...]) -> tuple[Function, Function]:
    """The function as one that gives the loss, and one that gives dW."""

    def forward(W: np.ndarray) -> Any:
        return np.asarray(function(W, *(r.copy() if isinstance(r, np.ndarray) else r for r in rest))[0], dtype=float), W.copy()

    def backward(dout: float, cache: np.ndarray) -> Any:
        return dout * np.asarray(function(cache, *rest)[1], dtype=float)

    pair = [functools.wraps(function)(f) for f in (forward, backward)]
    for f, names in zip(pair, (("W",), ("dout", "cache")), strict=True):
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
