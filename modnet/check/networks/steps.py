"""check_steps: a few steps of an optimizer, or of a student's Optim: that all layers move, against the gradient, by the rate.

This looks at the steps themselves and not at what they lead to: `check_training` asks for that, too.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check.asking.arrays import arrays_within, copied, looks_trained, parameters
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.draws import same_draws
from modnet.check.asking.numeric import EPS, along
from modnet.check.networks.form import Form
from modnet.check.networks.judge import judge
from modnet.check.networks.layers import hint_for, label_of, last_output, layers_of, needs_integers
from modnet.check.networks.wiring import backward_of, filled
from modnet.check.reading.lines import quote
from modnet.check.report import Finding, Report

_STEPS = 5
#: Arrays by layer and name: parameters, and how far a step moves them.
Moves = dict[tuple[int, str], np.ndarray]


def check_steps(net: Any, loss: Any, optimizer: Any, X: Any, y: Any) -> Report:
    """Check a few training steps: that all layers move, against the gradient, by the rate, from gradients that are reset.

    Parameters
    ----------
    net, loss : as for `check_network`. They are left as they are: steps are taken on copies.
    optimizer : a student's Optim, an object with step(batch_x, batch_y) that holds net; or one of `modnet.optim`.
    X, y : a batch.

    Returns
    -------
    report : see `Report`.
    """
    X, y = np.array(X), np.array(y)
    X = X if X.dtype.kind == "f" or needs_integers(net, X) else X.astype(np.float64)
    name = type(optimizer).__name__
    report = Report(f"{name} on {type(net).__name__} with {type(loss).__name__}, {_STEPS} steps on {len(X)} examples")
    try:
        with np.errstate(all="ignore"):
            judge(report, Stepping(Steps(net, loss, optimizer, X, y)))
    except Misbehaviour as problem:
        where = f"{name}.step"
        report.findings.append(Finding(problem.kind, where, problem.message + ".", hint_for(problem), line=problem.line))
        report.verdict("a step", right=False, remark=problem.kind)
    return report


class Steps:
    """A network, its loss and its optimizer together, to be copied together."""

    def __init__(self, net: Any, loss: Any, optimizer: Any, X: np.ndarray, y: np.ndarray) -> None:
        self.net, self.loss, self.optimizer, self.X, self.y = net, loss, optimizer, X, y
        self.ours = hasattr(optimizer, "attach")

    def copy(self) -> Steps:
        """The same, to take other steps with."""
        memo: dict[int, Any] = {id(self.X): self.X, id(self.y): self.y}
        if self.ours:
            twin = Steps(copied(self.net), self.loss, copy.deepcopy(self.optimizer), self.X, self.y)
            twin.optimizer.attach(twin.net)
            return twin
        try:
            parts = copy.deepcopy([self.net, self.loss, self.optimizer], memo)
        except Exception as error:
            raise Misbehaviour("crash", f"{type(self.optimizer).__name__} can't be copied: {error}") from error
        net, loss, optimizer = parts
        return Steps(net, loss, optimizer, self.X, self.y)

    def step(self) -> None:
        """One step on all of X."""
        if self.ours:
            yhat = call("forward", self.net.forward, self.X)
            delta = np.asarray(self.loss.backward(self.y, yhat)) / len(self.X)
            call("zero_grad", self.net.zero_grad)
            backward_of(self.net, self.X, delta)
            call("step", self.optimizer.step)
            return
        method = getattr(self.optimizer, "step", None)
        if not callable(method):
            raise Misbehaviour("not-implemented", f"{type(self.optimizer).__name__} has no step(batch_x, batch_y)")
        given = [self.X.copy(), self.y.copy()]
        if len(inspect.signature(method).parameters) == 1 and np.array_equal(self.X, self.y):
            given.pop()  # an auto-encoder's target is its input
        given = filled(method, {"X": given[0], "y": given[-1]}) or given  # those of a validation, too
        call(f"{type(self.optimizer).__name__}.step", method, *given)

    def taken(self) -> tuple[Steps, Moves]:
        """A copy that has taken a step, and how far that moved each parameter array."""
        twin, before = self.copy(), self.numbers()
        twin.step()
        return twin, twin.moved(before)

    def numbers(self) -> Moves:
        """Copies of the parameters, by layer and name."""
        found = {}
        for i, layer in enumerate(layers_of(self.net)):
            found.update({(i, key): array.copy() for key, array in parameters(layer).items() if looks_trained(key)})
        return found

    def mean_loss(self) -> float:
        """The mean loss on X, at the present parameters."""
        with same_draws():
            raw = copied(self.net).forward(self.X.copy())
            return float(np.mean(self.loss.forward(self.y, last_output(raw, self.X, len(layers_of(self.net))))))

    def moved(self, before: Moves) -> Moves:
        """How far the parameters are from what they were."""
        after = self.numbers()
        return {
            place: after[place] - array
            for place, array in before.items()
            if place in after and after[place].shape == array.shape
        }

    def slope(self, place: tuple[int, str], v: np.ndarray) -> float:
        """The derivative of the mean loss as one parameter array moves along v."""
        twin = self.copy()
        array = parameters(layers_of(twin.net)[place[0]])[place[1]]

        def f(values: np.ndarray) -> np.ndarray:
            array[...] = values
            return np.asarray(twin.mean_loss())

        precision = EPS if array.dtype == np.float64 else float(np.finfo(np.float32).eps)
        return float(along(f, array.astype(np.float64), v, precision))

    def slope_along(self, place: tuple[int, str], move: np.ndarray) -> float:
        """The same along a move, of any size."""
        largest = float(np.abs(move).max()) or 1.0
        return self.slope(place, move / largest) * largest


def rates_of(optimizer: Any) -> list[str]:
    """The attributes of an optimizer that may be its rate."""
    if hasattr(optimizer, "attach"):
        return ["lr"]
    return [name for name, value in vars(optimizer).items() if isinstance(value, float) and value > 0]


class Stepping(Form):
    """An optimizer that has taken a step, and what it had then moved, by layer and name."""

    by_gradient = False

    def __init__(self, start: Steps) -> None:
        super().__init__(type(start.optimizer), "step")
        self.start_at, self.at_first, self.rates = start, start.mean_loss(), rates_of(start.optimizer)
        self.told, self.found = bool(self.rates), set[str]()
        self.first, self.moved = start.taken()

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """How far each array moves; below 0 if the loss grows along the step."""
        if slower:
            twin = self.start_at.copy()
            for rate in self.rates:
                setattr(twin.optimizer, rate, getattr(twin.optimizer, rate) * 0.5)
            return {self._called(p): float(np.abs(move).sum()) for p, move in twin.taken()[1].items()}
        rng, uphill = np.random.default_rng(4), sum(self.start_at.slope_along(p, move) for p, move in self.moved.items()) > 0
        return {
            self._called(p): float(np.abs(move).sum()) * (-1 if uphill else 1)
            for p, move in self.moved.items()
            if move.any() or abs(self.start_at.slope(p, rng.choice([-1.0, 1.0], move.shape))) > 1e-9
        }

    def _called(self, place: tuple[int, str]) -> str:
        return f"{place[1]} of {label_of(place[0], layers_of(self.start_at.net)[place[0]])}"

    def finding(self, kind: str, text: str, hint: str = "", name: str = "", line: str = "") -> Finding:
        """What the step does, in the words of an optimizer."""
        where, net = self.where(""), type(self.start_at.net)
        write = "forward, loss.backward, net.zero_grad, net.backward_update_gradient, then net.update_parameters(self.eps)"
        if kind == "layer-not-trained" and text.startswith("no "):
            return Finding(kind, where, "after a step no parameter has moved.", write)
        if kind == "layer-not-trained":
            hint = "the network's update_parameters must call every layer's, and each layer's must move all its parameters"
            line = quote(net, "update_parameters", r"for", r"update")
            return Finding(kind, f"{where}: {name.split(' of ')[-1]}", f"after a step {text}", hint, line=line)
        if kind == "sign" and _swapped(self.start_at):
            text, line = "y and yhat are swapped where the loss's backward is called: a step goes up.", self.line("loss")
            return Finding(kind, where, text, "delta = loss.backward(y, yhat), y first", line=line)
        hint = "parameters -= rate * gradient; and delta is loss.backward(y, yhat), y first"
        return Finding(kind, where, "a step goes up: along it the loss grows.", hint)

    def end(self) -> Iterator[Finding]:
        """Whether gradients are set to zero, and the loss falls."""
        start = self.start_at
        if not self.moved or "layer-not-trained" in self.found:
            return
        if not start.ours and _not_reset(self.first):
            text = "gradients of the last step are still in the next one's: they are not set to zero in between."
            hint = "self.net.zero_grad() before backward_update_gradient, in every step; the network's calls every layer's"
            yield Finding("never-zeroed", "", text, hint)
            return
        if self.found:
            return
        self.falling = _falls(start, 1.0, self.rates)
        if self.falling < self.at_first:
            return
        if self.rates and (shorter := _falls(start, 0.01, self.rates)) < self.at_first:
            text = f"the loss grows from {self.at_first:.4g} to {self.falling:.4g} in {_STEPS} steps; "
            hint = "a smaller rate; and delta divided by the size of the batch, once: delta = loss.backward(y, yhat) / len(y)"
            yield Finding("scale", "", f"{text}with a hundredth of the rate it falls to {shorter:.4g}.", hint)
            return
        text = f"the loss does not fall: {self.at_first:.4g}, after {_STEPS} steps {self.falling:.4g}."
        yield Finding("direction", "", text, "check_network on the same data says whether the gradient is right")

    def line(self, question: str, name: str = "") -> str:
        """The line to look at."""
        patterns = (r"\.backward\(",) if question == "loss" else (r"update_parameters|step",)
        return "" if self.start_at.ours else quote(self.cls, "step", *patterns)

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """A row for the step."""
        self.found |= {finding.kind for finding in findings}
        if findings:
            row_of_step(report)
        elif question == "the end" and not self.moved:
            report.verdict("a step", right=None, remark="no parameters")
        elif question == "the end" and not self.found:
            report.verdict("a step", remark=f"the loss falls from {self.at_first:.4g} to {self.falling:.4g}")


def row_of_step(report: Report) -> None:
    """The one row of a report on steps in which something was found."""
    report.verdicts = []
    report.verdict("a step", right=False, remark=", ".join(dict.fromkeys(f.kind for f in report.findings)))


def _swapped(start: Steps) -> bool:
    """Whether a step hands the targets to the loss's backward in the place of the predictions."""
    twin = start.copy()
    given: list[tuple[Any, ...]] = []
    usual = twin.loss.backward

    def noted(*arguments: Any) -> Any:
        given.append(arguments)
        return usual(*arguments)

    try:
        twin.loss.backward = noted
        twin.step()
    except (AttributeError, Misbehaviour):
        return False
    return any(len(g) == 2 and np.shape(g[1]) == twin.y.shape and np.array_equal(g[1], twin.y) for g in given)


def _not_reset(first: Steps) -> bool:
    """Whether zeroing all gradients by hand before the second step changes it."""
    cleaned = first.copy()
    for layer in layers_of(cleaned.net):
        if callable(getattr(layer, "zero_grad", None)):
            call("zero_grad", layer.zero_grad)
        for array in (a for name, a in arrays_within(layer) if "grad" in name.lower()):
            array[...] = 0
    a, b = first.taken()[1], cleaned.taken()[1]
    return not all(
        np.allclose(a[place], b[place], rtol=1e-6, atol=1e-12 + 1e-7 * float(np.abs(a[place]).max(initial=0.0)))
        for place in a
        if place in b
    )


def _falls(start: Steps, factor: float, rates: list[str]) -> float:
    twin = start.copy()
    for rate in rates if factor != 1 else []:
        setattr(twin.optimizer, rate, getattr(twin.optimizer, rate) * factor)
    for _ in range(_STEPS):
        twin.step()
    return twin.mean_loss()
