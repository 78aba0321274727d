"""check_steps: a few steps of an optimizer, or of a student's Optim: that all layers move, against the gradient, by the rate.

This looks at the steps themselves and not at what they lead to: `check_training` asks for that, too.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from modnet.check.arrays import copied, looks_trained, parameters
from modnet.check.draws import same_draws
from modnet.check.layers import hint_for, label_of, last_output, layers_of, needs_integers
from modnet.check.lines import quote
from modnet.check.networks.wiring import backward_of
from modnet.check.numeric import EPS, along
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call

_STEPS = 5


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
            finding = _train(report, Steps(net, loss, optimizer, X, y), name)
    except Misbehaviour as problem:
        finding = Finding(problem.kind, f"{name}.step", problem.message + ".", hint_for(problem), line=problem.line)
    if finding is not None:
        report.findings.append(finding)
        report.verdict("a step", right=False, remark=finding.kind)
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
        call(f"{type(self.optimizer).__name__}.step", method, *given)

    def numbers(self) -> dict[tuple[int, str], np.ndarray]:
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

    def moved(self, before: dict[tuple[int, str], np.ndarray]) -> dict[tuple[int, str], np.ndarray]:
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


def rates_of(optimizer: Any) -> list[str]:
    """The attributes of an optimizer that may be its rate."""
    if hasattr(optimizer, "attach"):
        return ["lr"]
    return [name for name, value in vars(optimizer).items() if isinstance(value, float) and value > 0]


def _train(report: Report, start: Steps, name: str) -> Finding | None:
    where = f"{name}.step"
    line = "" if start.ours else quote(type(start.optimizer), "step", r"update_parameters|step")
    first = start.copy()
    before, at_first = first.numbers(), first.mean_loss()
    first.step()
    moved = first.moved(before)
    if not moved:
        report.verdict("a step", right=None, remark="no parameters")
        return None
    rng = np.random.default_rng(4)
    still = [
        place
        for place, move in moved.items()
        if not move.any() and abs(start.slope(place, rng.choice([-1.0, 1.0], move.shape))) > 1e-9
    ]
    if len(still) == len(moved):
        return Finding(
            "layer-not-trained",
            where,
            "after a step no parameter has moved.",
            "step: forward, loss.backward, net.zero_grad, net.backward_update_gradient, then net.update_parameters(self.eps)",
            line=line,
        )
    if still:
        i, key = still[0]
        layer = layers_of(start.net)[i]
        return Finding(
            "layer-not-trained",
            f"{where}: {label_of(i, layer)}",
            f"after a step {key} of {label_of(i, layer)} has not moved, though its gradient is not zero.",
            "the network's update_parameters must call every layer's, and each layer's must move all its parameters",
            line=quote(type(start.net), "update_parameters", r"for", r"update"),
        )
    # Along the move the loss must fall.
    slope = sum(
        start.slope(place, move / (float(np.abs(move).max()) or 1.0)) * (float(np.abs(move).max()) or 1.0)
        for place, move in moved.items()
    )
    if slope > 0:
        swapped = _swapped(start)
        text = "y and yhat are swapped where the loss's backward is called: a step goes up."
        hint = "parameters -= rate * gradient; and delta is loss.backward(y, yhat), y first"
        return Finding(
            "sign",
            where,
            text if swapped else "a step goes up: along it the loss grows.",
            "delta = loss.backward(y, yhat), y first" if swapped else hint,
            line=quote(type(start.optimizer), "step", r"\.backward\(") if swapped else line,
        )
    rates = rates_of(start.optimizer)
    if rates and not any(_obeys(start, rate, before, moved) for rate in rates):
        text = " and ".join(f"{rate} = {getattr(start.optimizer, rate):g}" for rate in rates)
        return Finding(
            "lr-ignored",
            where,
            f"half the rate gives the same step ({text}).",
            f"net.update_parameters(self.{rates[0]}): without the argument the default 1e-3 is taken",
            line=line,
        )
    if not start.ours:
        kept = _not_reset(first)
        if kept is not None:
            return Finding(
                "never-zeroed",
                where,
                "gradients of the last step are still in the next one's: they are not set to zero in between.",
                "self.net.zero_grad() before backward_update_gradient, in every step; the network's calls every layer's",
                line=line,
            )
    falling = _falls(start, 1.0, rates)
    if falling is None or falling < at_first:
        report.verdict("a step", remark=f"the loss falls from {at_first:.4g} to {falling:.4g}" if falling is not None else "")
        return None
    if rates and (shorter := _falls(start, 0.01, rates)) is not None and shorter < at_first:
        return Finding(
            "scale",
            where,
            f"the loss grows from {at_first:.4g} to {falling:.4g} in {_STEPS} steps; with a hundredth of the rate it falls.",
            "a smaller rate; and delta divided by the size of the batch, once: delta = loss.backward(y, yhat) / len(y)",
            line=line,
        )
    return Finding(
        "direction",
        where,
        f"the loss does not fall: {at_first:.4g}, after {_STEPS} steps {falling:.4g}.",
        "check_network on the same data says whether the gradient is right",
        line=line,
    )


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


def _obeys(
    start: Steps, rate: str, before: dict[tuple[int, str], np.ndarray], moved: dict[tuple[int, str], np.ndarray]
) -> bool:
    twin = start.copy()
    setattr(twin.optimizer, rate, getattr(start.optimizer, rate) * 0.5)
    twin.step()
    halved = twin.moved(before)
    return any(not np.allclose(halved[place], move, rtol=1e-4, atol=0) for place, move in moved.items() if place in halved)


def _not_reset(first: Steps) -> bool | None:
    """Whether zeroing all gradients by hand before the second step changes it."""
    plain, cleaned = first.copy(), first.copy()
    for layer in layers_of(cleaned.net):
        if callable(getattr(layer, "zero_grad", None)):
            call("zero_grad", layer.zero_grad)
        for array in _gradient_arrays(layer):
            array[...] = 0
    before = plain.numbers()
    plain.step()
    cleaned.step()
    a, b = plain.moved(before), cleaned.moved(before)
    same = all(
        np.allclose(a[place], b[place], rtol=1e-6, atol=1e-12 + 1e-7 * float(np.abs(a[place]).max(initial=0.0)))
        for place in a
        if place in b
    )
    return None if same else True


def _gradient_arrays(layer: Any) -> list[np.ndarray]:
    held = getattr(layer, "_gradient", None)
    found = list(held.values()) if isinstance(held, dict) else list(held) if isinstance(held, list) else [held]
    found += [value for name, value in getattr(layer, "__dict__", {}).items() if "grad" in name.lower() and name != "_gradient"]
    return [array for array in found if isinstance(array, np.ndarray)]


def _falls(start: Steps, factor: float, rates: list[str]) -> float | None:
    twin = start.copy()
    for rate in rates if factor != 1 else []:
        setattr(twin.optimizer, rate, getattr(twin.optimizer, rate) * factor)
    for _ in range(_STEPS):
        twin.step()
    return twin.mean_loss()
