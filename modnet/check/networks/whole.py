"""check_network: each layer at its own input, the loss at the network's output, then how they are put together.

A network that is wrong is most often right in its chain and wrong in one layer; so layers come first, each at the input that
the network's own forward gives it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, tried
from modnet.check.asking.draws import same_draws
from modnet.check.asking.question import draw_delta
from modnet.check.losses.check import check_loss
from modnet.check.modules.check import check_module
from modnet.check.networks.calls import recorded
from modnet.check.networks.contract import add_chain
from modnet.check.networks.layers import hint_for, label_of, layers_of, needs_integers
from modnet.check.networks.scored import Scored, examine_scored, form_of, has_layers
from modnet.check.reading.lines import quote
from modnet.check.report import Finding, Report
from modnet.inputs import require_no_mask


def check_network(net: Any, loss: Any, X: Any, y: Any = None) -> Report:
    """Check a network: each of its layers at its own input, the loss at its output, then the chain as a whole.

    Parameters
    ----------
    net : ours, or a student's: its layers are found through iteration, indexing, or a list attribute. It is left as it is.
    loss : ours, or any object with forward(y, yhat) and backward(y, yhat). None for a network of another style with its own:
        ``loss(x, t)`` with ``gradient(x, t)``, ``loss(X, y)`` that gives both, or one that goes back by its layers from delta.
    X : (batch, ...). y : (batch, ...), as the loss takes it; a network that goes back from a delta needs none. A few examples
        are enough.

    Returns
    -------
    report : see `Report`. The first cause alone: what is wrong in a layer is not said again about the chain.
    """
    for name, given in (("X", X), ("y", y)):
        require_no_mask(given, "check_network", name)
    if loss is None:
        return _with_own_loss(net, X, y)
    if y is None:
        raise TypeError("check_network: y is None, expected the truth, (batch, ...), as the loss takes it")
    name = type(net).__name__
    X, y = np.array(X), np.array(y)
    X = X if X.dtype.kind == "f" or needs_integers(net, X) else X.astype(np.float64)
    report = Report(f"{name} of {len(layers_of(net))} layers, counted from 0, with {type(loss).__name__}, on {len(X)} examples")
    try:
        with same_draws(), np.errstate(all="ignore"):
            out, seen = recorded(net, X)
            _layers(report, net, seen)
            unfit = misfit(net, loss, y, out)
            if unfit is not None:
                report.findings.append(unfit)
                report.verdict(type(loss).__name__, right=False, remark=unfit.kind)
            else:
                _take(report, type(loss).__name__, check_loss(loss, y, out))
    except Misbehaviour as problem:
        report.findings.append(Finding(problem.kind, name, problem.message + ".", hint_for(problem), line=problem.line))
        report.verdict("the chain", right=False, remark=problem.kind)
        return report
    if report.ok:
        add_chain(report, net, loss, X, y)
    else:
        report.verdict("the chain", right=None, remark="mend the layers and the loss first")
    return report


def _with_own_loss(net: Any, X: Any, y: Any) -> Report:
    """The report on a network of another style; its numbers are put away from those at which networks start."""
    form = form_of(type(net)) or ("delta" if has_layers(net) else "")
    if not form:
        raise TypeError(
            f"check_network: {type(net).__name__} was given no loss, and has none of its own: expected loss(x, t) and "
            "gradient(x, t), loss(X, y) that gives (loss, gradients), or forward(x) and backward(delta) with layers in a list"
        )
    X = np.array(X, dtype=np.float64)
    if form == "delta":
        y = draw_delta(Scored(net, X, np.zeros(1)).output(), 3)
    elif y is None:
        raise TypeError(f"check_network: y is None, expected the truth as {type(net).__name__} takes it")
    return examine_scored(net, X, np.array(y))


def _take(report: Report, which: str, inner: Report) -> None:
    for finding in inner.findings:
        finding.where = finding.where if which in finding.where else f"{which}: {finding.where}"
    report.findings += inner.findings
    report.verdict(which, right=inner.ok, remark=", ".join(dict.fromkeys(f.kind for f in inner.findings)))


def _layers(report: Report, net: Any, seen: list[np.ndarray | None]) -> None:
    known: set[tuple[type, str]] = set()
    for i, (layer, x) in enumerate(zip(layers_of(net), seen, strict=True)):
        which = label_of(i, layer)
        if x is None:
            text = f"forward of {type(net).__name__} never calls this layer."
            line = quote(type(net), "forward", r"\bfor\b", r"forward")
            hint = "the loop over the layers: does it reach them all?"
            report.findings.append(Finding("forward", which, text, hint, line=line))
            report.verdict(which, right=False, remark="forward")
            continue
        inner = check_module(layer, x)
        # The same mistake of the same class is one mistake.
        fresh = [f for f in inner.findings if (type(layer), f.kind) not in known]
        known.update((type(layer), f.kind) for f in inner.findings)
        again = bool(inner.findings) and not fresh
        inner.findings = fresh
        _take(report, which, inner)
        if again:
            report.verdicts[-1] = (which, "wrong", "as above")


# --- the loss at the network's output --------------------------------------------------------------------------------


def misfit(net: Any, loss: Any, y: np.ndarray, yhat: np.ndarray) -> Finding | None:
    """Whether the loss is for something else than what the network gives: shapes, scores, probabilities."""
    where = f"{type(net).__name__} with {type(loss).__name__}"

    def losses(prediction: np.ndarray) -> np.ndarray | None:
        return tried(lambda: np.asarray(copied(loss).forward(y.copy(), prediction.copy()), np.float64), also=(Exception,))

    here = losses(yhat)
    if here is None:
        return None
    n = len(yhat)
    if n > 1 and {y.shape, yhat.shape} == {(n,), (n, 1)} and here.size == n * n:
        text = f"y has shape {y.shape} and yhat {yhat.shape}: together they make a table of {n} times {n}, all against all."
        hint = "give both the same shape: y.reshape(-1, 1), or yhat[:, 0]"
        return Finding("shape", where, text, hint)
    if yhat.ndim < 2 or yhat.shape[-1] < 2:
        return None
    probable = bool(yhat.min() >= 0 and np.allclose(yhat.sum(axis=-1), 1, atol=1e-6))
    moved = losses(yhat + np.linspace(0.1, 0.7, n).reshape(-1, *(1,) * (yhat.ndim - 1)))
    takes_scores = moved is not None and moved.shape == here.shape and np.allclose(moved, here, rtol=1e-6, atol=1e-9)
    if probable and takes_scores and here.size > 1 and np.ptp(here) > 0:
        text = "the network ends in a softmax, and the loss applies one again: it takes scores."
        hint = "leave the softmax out of the network, or take the loss of probabilities, -sum(y log yhat)"
        return Finding("softmax-twice", where, text, hint)
    if not np.isfinite(here).all():
        e = np.exp(yhat - yhat.max(axis=-1, keepdims=True))
        at_probabilities = losses(e / e.sum(axis=-1, keepdims=True))
        if at_probabilities is not None and np.isfinite(at_probabilities).all() and (yhat.min() < 0 or yhat.max() > 1):
            text = "the loss takes probabilities, but the network gives scores, negative ones and larger than 1 too."
            hint = "end the network in a softmax or a sigmoid, or take the loss of scores"
            return Finding("not-probabilities", where, text, hint)
    return None
