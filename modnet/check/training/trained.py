"""What trains, in the form that is run: the library's own network for a student's where it computes the same, `fit` for a loop.

A student's classes are translated only if their gradient is right: a wrong one is run as it is, and the right one is the first
change that is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.networks import check_network
from modnet.check.networks.layers import label_of, layers_of
from modnet.check.networks.steps import Steps
from modnet.check.report import Finding, Report
from modnet.check.training.byhand import Law, as_sgd, cutting, is_plain, is_same_step, known_loss, law_of, translated
from modnet.check.training.change import Apply, Change
from modnet.check.training.change_steps import faster
from modnet.check.training.examples import sample
from modnet.check.training.knobs import knobs, loop_rates, setting
from modnet.check.training.setup import frozen
from modnet.check.training.task import Task
from modnet.modules import Tanh
from modnet.training import predict

_FEW = 64  # examples at which a student's classes are compared with the library's
_CHECKED = 3  # of them whose gradient is checked
#: What the steps of a loop by hand can have, by the name that the check of steps has for it.
NAMES = {"sign": "wrong-sign", "never-zeroed": "not-zeroed"}
_SEEN = {
    "wrong-sign": "a step goes uphill: along it the loss grows",
    "not-zeroed": "gradients of the last step are still in the next one's",
}
_LINES = {
    "wrong-sign": "parameters -= rate * gradient, and delta = loss.backward(y, yhat), y first",
    "not-zeroed": "net.zero_grad() before backward_update_gradient, in every step",
}


@dataclass
class Subject:
    """What trains, and changes that only it can have.

    Attributes
    ----------
    parts : of the `Setup`. first : changes to try before all others. wrong : what a check of the gradient found.
    """

    parts: dict[str, Any]
    first: list[Change] = field(default_factory=list)
    wrong: Finding | None = None


def subject(
    net: Any, loss: Any, optimizer: Any, X: np.ndarray, y: np.ndarray, size: int, steps: Report | None
) -> Subject:  # fmt: skip
    """What trains: by `fit` if it can be; steps is what the check of a loop's steps found."""
    few = X[:_FEW]
    known_class, plain_net = hasattr(type(loss), "is_compiled"), is_plain(net)
    twin = translated(net, few) if plain_net else None
    own = net if twin is None else twin
    cut = cutting(net, loss, few, y[:_FEW]) if plain_net and twin is None else None
    mended = own if cut is None else translated(net, few, {cut: Tanh()})
    yhat = np.asarray(predict(own, few) if hasattr(own, "storage") else copied(own).forward(few.copy()))
    task = Task.of(loss, y, yhat.shape[1:])
    wrong = _wrong_gradient(net, loss, X, y) if plain_net or not known_class else None
    if hasattr(optimizer, "attach"):
        parts = {"net": net, "origin": None} if twin is None or wrong is not None else {"net": twin, "origin": net}
        parts |= {"loss": loss, "optimizer": optimizer.fresh(), "task": task, "rates": frozen(net, optimizer)}
        return Subject(parts, _mended(net, wrong, cut, {"net": mended, "origin": net} if mended is not net else {}), wrong)

    where = f"{type(optimizer).__name__}.step"
    rows = sample(len(X), size)
    start = Steps(net, loss, optimizer, X[rows], y[rows])
    law = law_of(start)
    if law.along:  # whatever the parts give alone: a softmax that leaves its derivative to the loss
        wrong = None
    known, factor = (loss, 1.0) if known_class else known_loss(loss, y[:_FEW], yhat)
    kinds = [NAMES[f.kind] for f in steps.findings] if steps is not None else []
    walk: dict[str, Any] = {}  # the same training by fit, its gradient right
    if law.rate and known is not None and hasattr(mended, "storage"):
        rate = _rate(law, wrong, size) * factor
        walk = {
            "net": mended, "loss": known, "optimizer": as_sgd(rate), "origin": None if mended is net else net,
            "rate_name": law.name or "eps", "rate_unit": law.given / abs(rate) if law.given and rate else 1.0, "loop": None,
        }  # fmt: skip
    by_fit = bool(walk) and law.plain and law.rate > 0 and not kinds and wrong is None and cut is None
    by_fit = by_fit and is_same_step(start, own, known, abs(rate))
    summed = []
    if law.along and not law.divided and size > 1 and (by_fit or law.name):
        seen = "a step on the same examples twice is twice as long: the gradient is a sum over the batch"
        apply: Apply = (lambda s: faster(s, 1 / size)) if by_fit else setting(law.name, law.given / size)
        summed.append(Change("not-divided", 98, seen, [("delta = loss.backward(y, yhat) / len(y)", apply)], where))
    if by_fit:
        return Subject({**walk, "task": task}, summed)
    # A loop that is not plain descent is run as it is.
    parts = {"net": net, "loss": loss, "optimizer": optimizer, "task": task, "loop": _step, "rate_name": law.name}
    first = _mended(net, wrong, cut, walk) + summed
    first += [Change(k, 99, _SEEN[k], [(_LINES[k], lambda s: s.but(**walk))], where) for k in kinds if walk]
    if not kinds:
        first += knobs(start, law.name, where)
        first += loop_rates(law.name, optimizer) if law.name else []
    return Subject(parts, first, wrong)


def _rate(law: Law, wrong: Finding | None, size: int) -> float:
    """The rate of a loop on the mean gradient; with a wrong gradient it cannot be measured, but it has a name."""
    if wrong is None or not law.given:
        return law.rate
    return law.given if law.divided else law.given * size


def _wrong_gradient(net: Any, loss: Any, X: np.ndarray, y: np.ndarray) -> Finding | None:
    """What is wrong with the derivatives of a student's network or loss."""
    rows = sample(len(X), _CHECKED)
    try:
        found = check_network(copied(net), copied(loss), X[rows], y[rows]).findings
    except Exception:  # whatever a stranger's class raises: then nothing can be said
        return None
    in_loss = f"{type(loss).__name__}."
    for finding in found:  # a factor of the loss is the rate, in other words
        compared = finding.numeric is not None or finding.kind == "missing-parameter"
        if compared and not (finding.kind == "scale" and finding.where.startswith(in_loss)):
            return finding
    return None


def _mended(net: Any, wrong: Finding | None, cut: int | None, parts: dict[str, Any]) -> list[Change]:
    """A right gradient in the place of a wrong one, or of none; parts are those of the `Setup` that has it, if any."""
    found = []
    if wrong is not None:
        seen = f"a gradient is wrong ({wrong.kind} in {wrong.where}): {wrong.message.rstrip('.')}"
        line = "the derivative of forward, as check_network says on a few examples"
        found.append(Change("wrong-gradient", 100, seen, [(line, lambda s: s.but(**parts))], wrong.where))
    if cut is not None:
        layer = label_of(cut, layers_of(net)[cut])
        seen = f"{layer} passes no gradient on: its backward_delta is 0 for every example, so that nothing before it learns"
        line = "an activation that has a slope in its place, such as tanh"
        found.append(Change("vanishing-gradient", 98, seen, [(line, lambda s: s.but(**parts))], layer))
    return found if parts else []


def _step(net: Any, loss: Any, optimizer: Any, x: np.ndarray, y: np.ndarray) -> None:
    optimizer.step(x, y)
