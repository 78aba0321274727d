"""The order in which a network's backward goes through its layers, and what a second call makes of what the first one left."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.arrays import copied, gradients, is_gradient
from modnet.check.layers import label_of, last_output, layers_of
from modnet.check.lines import quote
from modnet.check.networks.wiring import Trace, backward, backward_method
from modnet.check.report import Finding
from modnet.check.subject import DELTA, FORWARD, GRADIENT, Misbehaviour, call


def upwards(net: Any, trace: Trace, begun: int) -> Finding | None:
    """The finding for a backward, from the event `begun` on, that starts with the layer that forward starts with."""
    down = [event.layer for event in trace.events[:begun] if event.operation == FORWARD]
    up = [event.layer for event in trace.events[begun:] if event.operation in (GRADIENT, DELTA)]
    if len(set(down)) != len(down) or len(down) < 2 or not up or up[0] != down[0]:
        return None
    method, which = backward_method(net), label_of(up[0], trace.layers[up[0]])
    text = f"backward begins with {which}, the first that forward goes through, and must begin with the last."
    hint = "for layer in reversed(self.layers): each is given the delta that the one after it returned"
    return Finding("order", "", text, hint, line=quote(type(net), method, r"\bfor\b", r"\w"))


def second(net: Any, loss: Any, X: np.ndarray, y: np.ndarray, first: bool) -> Finding | None:
    """Whether forward and backward after another forward and backward give what they give at once, gradients at zero before.

    With `first`, its backward_delta has to go first.
    """
    try:
        once, fresh = _Round(copied(net), loss, first), _Round(copied(net), loss, first)
        once.ask(X, y)
        fresh.ask(X[::-1].copy(), y[::-1].copy())
    except Misbehaviour:
        return None
    lengths, left = fresh.lengths(), list(layers_of(fresh.net))
    try:
        fresh.ask(X, y)
    except Misbehaviour as problem:
        text, line = f"a second forward and backward fail: {problem.message}.", problem.line
    else:
        if _alike(once.out, fresh.out, 1e-9) and _alike(once.gradients, fresh.gradients, 1e-6):
            return None
        again = _Round(copied(net), loss, first)
        again.net.forward(X.copy())
        again.ask(X, y)
        if not _alike(once.out, again.out, 1e-9):
            return None  # it draws
        text, line = "a second forward and backward give other gradients than they give alone.", ""
    if len(left) == len(fresh.layers) > 1 and all(a is b for a, b in zip(left, reversed(fresh.layers), strict=True)):
        text = "the list of layers is left reversed: every second call goes through them the other way."
        line = quote(type(net), backward_method(net), r"\.reverse\(\)|\[::-1\]", r"reversed", r"\w")
        return Finding("order", "", text, "reversed(self.layers), which leaves the list alone, not .reverse()", line=line)
    longer = [n for n, length in fresh.lengths().items() if length > lengths.get(n, length)]
    hint = f"self.{longer[0]} still holds what the first call put there: begin it anew in every forward" if longer else ""
    hint = hint or "what is kept in self is of the call before: set it anew in every call"
    return Finding("stateful", "", text, hint, line=line)


class _Round:
    """A network that is asked for forward and backward, and what they gave last."""

    def __init__(self, net: Any, loss: Any, first: bool) -> None:
        self.net, self.loss, self.layers = net, loss, layers_of(net)
        self.methods = (DELTA, "") if first else ("",)
        self.out: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []

    def ask(self, X: np.ndarray, y: np.ndarray) -> None:
        """One forward and one backward, with gradients at zero."""
        for layer in self.layers:
            with suppress(Exception):  # said of the layer
                layer.zero_grad()
        raw = call(f"{type(self.net).__name__}.forward", self.net.forward, X.copy())
        self.out = [last_output(raw, X, len(self.layers))]
        delta = np.asarray(self.loss.backward(y, self.out[0]))
        for method in self.methods:
            backward(self.net, X, y, raw, delta, self.loss, method=method)
        self.gradients = [g.copy() for layer in self.layers for n, g in gradients(layer).items() if is_gradient(n)]

    def lengths(self) -> dict[str, int]:
        """How long the lists are that the network keeps."""
        return {n: len(v) for n, v in vars(self.net).items() if isinstance(v, list)}


def _alike(a: list[np.ndarray], b: list[np.ndarray], tolerance: float) -> bool:
    """Whether two lists of arrays hold the same numbers."""
    return len(a) == len(b) and all(
        p.shape == q.shape and np.allclose(p, q, rtol=tolerance, atol=1e-12, equal_nan=True) for p, q in zip(a, b, strict=True)
    )
