"""Changes of the targets, of what the network ends with, and of the loss: they have to fit each other."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.training import edit
from modnet.check.training.change import Change, Variant, for_both, of_loss, of_net, scaling, together
from modnet.check.training.facts import Facts, range_of
from modnet.check.training.reference import Columns
from modnet.check.training.setup import Map, Run, Setup
from modnet.check.training.task import SQUEEZED, Task
from modnet.check.training.wild import Tamed
from modnet.losses import (
    BCE,
    MAE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    MultiMargin,
    Perceptron,
    Poisson,
)
from modnet.modules import LogSoftmax, Sigmoid, Softmax

#: Losses that do not take scores: what they take, what gives it, and what else may end the network.
_TAKES: dict[Any, tuple[str, Any, tuple[str, ...]]] = {
    BCE: ("probabilities", Sigmoid, ("Sigmoid", "Softmax")),
    NLL: ("log-probabilities", LogSoftmax, ("LogSoftmax",)),
    KLDivergence: ("probabilities", Softmax, ("Softmax", "Sigmoid")),
}
_SCORES = (CrossEntropy, BCEWithLogits, MultiMargin, Hinge, Perceptron, Poisson)


def targets(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """Targets as they are coded and scaled."""
    task, y = setup.task, setup.y
    end = facts.end_name
    if task.kind == "numbers":
        spread = np.where(facts.y_deviation > 0, facts.y_deviation, 1.0)
        size = float(np.max(np.abs(facts.y_mean) + facts.y_deviation))
        far = float(np.max(np.abs(facts.y_mean) / spread))
        small = float(facts.y_deviation.max())
        if task.link == "exp":
            if size > 20:
                seen = f"the counts have a mean of {facts.y_mean[0]:.4g}, and a network begins with a rate of about 1"
                line = "y_val = y_val / y.mean(); " * setup.pair + "y = y / y.mean()"
                yield Change("unscaled-targets", 86, seen, [(line, lambda s: s.mapped(y=lambda y: y / s.y.mean()))])
        elif size > 10 or far > 10 or (0 < small < 1e-3):
            yield Change(
                "unscaled-targets", 86 if size > 100 else 60,
                f"the targets have a mean of {facts.y_mean[0]:.4g} and a deviation of {facts.y_deviation[0]:.4g}",
                [(_scaled_targets(setup), scale_targets)],
            )  # fmt: skip
        if task.codes and not isinstance(setup.loss, _SCORES) and facts.looks_inside and len(edit.dense(setup.net)):
            outside = task.codes[-1] > facts.range[1] or task.codes[0] < facts.range[0]
            count = len(task.codes)
            yield Change(
                "label-coding", 97 if outside else 50,
                f"the targets are {count} whole numbers from {task.codes[0]:g} to {task.codes[-1]:g}, taken as amounts",
                [(_classes_apart_line(setup), classes_apart)],
            )  # fmt: skip
    elif task.kind == "binary" and (task.low, task.high) != (0, 1):
        below = f", and {end} gives nothing below 0" * (task.low < 0 and end in ("Sigmoid", "Softmax", "ReLU"))
        if below or (task.low, task.high) != (-1, 1):
            line = for_both(setup, "y", f"({{}} == {task.high:g}).astype(float)")
            seen = f"the two classes are coded {task.low:g} and {task.high:g}{below}"
            yield Change("label-coding", 90, seen, [(line, lambda s: _recode(s, 0.0, 1.0))])
    labels = _as_labels(y) if base.error and isinstance(setup.loss, CrossEntropy | NLL) else None
    if labels is not None:
        shape = f"({', '.join(map(str, ('n', *y.shape[1:])))}{',' * (y.ndim == 1)})"
        yield Change(
            "label-coding", 96, f"the labels are {y.dtype} of the shape {shape}, and {setup.loss} takes whole numbers (n,)",
            [(for_both(setup, "y", "{}.reshape(-1).astype(int)"), _with_labels)],
        )  # fmt: skip
    if base.error and y.dtype.kind in "iu" and y.ndim == 1 and y.min() > 0:
        least = int(y.min())
        line = for_both(setup, "y", f"{{}} - {least}")
        yield Change("label-coding", 95, f"the labels begin at {least}", [(line, lambda s: s.mapped(y=lambda y: y - least))])
    if base.error and task.kind == "binary" and task.low == 0 and isinstance(setup.loss, Hinge | Perceptron):
        line = for_both(setup, "y", "2 * {} - 1")
        yield Change("label-coding", 95, "the loss takes labels -1 and 1", [(line, lambda s: _recode(s, -1.0, 1.0))])


def shapes(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """Targets and predictions of other shapes, which NumPy makes a table of: every target with every prediction."""
    y = setup.y
    n = min(8, len(y))
    try:
        with np.errstate(all="ignore"):
            yhat = np.asarray(copied(setup.net).forward(setup.X[:n].copy()))
    except Exception:  # whatever a stranger's network raises
        return
    if yhat.size != y[:n].size or yhat.shape == y[:n].shape:
        return
    if getattr(type(setup.loss), "is_compiled", False):
        if not base.error:
            return
        rest = "the loss takes one target for each prediction"
    elif n < 2 or not _is_mixing(setup.loss, y, yhat):
        return
    else:
        rest = (
            "their difference is a table of every target with every prediction, and the loss of an example depends on the "
            "targets of all the others"
        )
    shapes = (f"({', '.join(map(str, ('n', *a.shape[1:])))}{',' * (a.ndim == 1)})" for a in (y, yhat))
    seen = "the targets have the shape {} and the predictions {}: {}".format(*shapes, rest)
    rest_of = "".join(f", {n}" for n in yhat.shape[1:])
    line = for_both(setup, "y", "{}[:, None]" if y.ndim == 1 and yhat.ndim == 2 else f"{{}}.reshape(-1{rest_of})")

    def reshape(s: Setup) -> Setup:
        return s.but(y=s.y.reshape(len(s.y), *yhat.shape[1:]))

    yield Change("wrong-loss", 98, seen, [(line, reshape)], f"{type(setup.loss).__name__}.backward")


def _is_mixing(loss: Any, y: np.ndarray, yhat: np.ndarray) -> bool:
    """Whether the gradient of an example depends on the targets of others."""
    own = y[: len(yhat)]
    moved = np.concatenate([own[:1], own[1:] + np.ptp(own) + 1])
    try:
        with np.errstate(all="ignore"):
            one, other = (np.asarray(copied(loss).backward(t.copy(), yhat.copy()), np.float64) for t in (own, moved))
    except Exception:  # whatever a stranger's loss raises
        return False
    return one.shape != yhat.shape or not np.array_equal(one[:1], other[:1], equal_nan=True)


def _scaled_targets(setup: Setup) -> str:
    if range_of(setup.net) == (0.0, 1.0):
        return for_both(setup, "y", "({} - y.min(axis=0)) / np.ptp(y, axis=0)")
    return scaling(setup, "y", setup.y.std(axis=0))


def scale_targets(setup: Setup) -> Setup:
    """Targets of mean 0 and deviation 1; if the network ends with a bounded activation, within what it gives."""
    y = setup.y.astype(np.float64)
    if range_of(setup.net) == (0.0, 1.0):
        least, width = y.min(axis=0), np.maximum(np.ptp(y, axis=0), 1e-300)
        return setup.but(y=(y - least) / width, backwards=_after(setup, lambda out: out * width + least))
    columns = Columns(y)
    return setup.but(y=columns(y), backwards=_after(setup, columns.back))


def _after(setup: Setup, back: Map) -> Map:
    before = setup.backwards
    return back if before is None else lambda out: before(back(out))


def _as_labels(y: np.ndarray) -> np.ndarray | None:
    """Targets that are labels but for their shape or their type, as labels; None for others."""
    if y.size != len(y) or (y.ndim == 1 and y.dtype.kind in "iu"):
        return None
    flat = y.reshape(-1)
    return flat.astype(int) if np.array_equal(flat, np.round(flat)) else None


def _with_labels(setup: Setup) -> Setup:
    def label(y: np.ndarray) -> np.ndarray:
        labels = _as_labels(y)
        if labels is None:
            raise ValueError("no labels")
        return labels

    outputs = np.asarray(copied(setup.net).forward(setup.X[:1])).shape[1:]
    return setup.mapped(y=label, task=Task.of(setup.loss, label(setup.y), outputs))


def _recode(setup: Setup, low: float, high: float) -> Setup:
    task = setup.task
    middle = (task.low + task.high) / 2
    signed = isinstance(setup.loss, BCEWithLogits | Hinge | Perceptron)
    twin = replace(task, low=low, high=high, threshold=0.0 if signed else (low + high) / 2)
    return setup.mapped(y=lambda y: np.where(y > middle, high, low), task=twin)


def _classes_apart_line(setup: Setup) -> str:
    count, code = len(setup.task.codes), "np.unique(y, return_inverse=True)[1].reshape(-1)"
    labels = f"y_val = np.searchsorted(np.unique(y), y_val.reshape(-1)); y = {code}" if setup.pair else f"y = {code}"
    outputs, _ = of_net(
        setup, lambda net: edit.outputs_to(net, count), f"a last layer of {count} outputs, and nothing after it"
    )
    return f"loss = CrossEntropy(); {outputs}; {labels}"


def classes_apart(setup: Setup) -> Setup:
    """Numbers that stand for classes as labels, an output for each, cross-entropy."""
    codes = np.array(setup.task.codes)
    net = edit.edited(setup.net, lambda n: edit.outputs_to(n, len(codes)))
    task = Task("classes", len(codes))

    def label(y: np.ndarray) -> np.ndarray:
        return np.abs(y.reshape(len(y), 1) - codes).argmin(axis=1)

    return setup.mapped(y=label, net=net, loss=CrossEntropy(), task=task, backwards=None)


def output(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """What the network ends with, beside what the loss takes and what the targets are."""
    if facts.end is None:
        return
    loss, task, end, where = setup.loss, setup.task, facts.end_name, facts.end.name
    name, columns = type(loss).__name__, int(setup.y.shape[-1]) if setup.y.ndim > 1 else 1
    drop = of_net(setup, edit.drop_end, f"without {end} at the end")

    def misfit(weight: int, seen: str, *variants: Variant) -> Change:
        return Change("output-range", weight, seen, list(variants), where)

    if isinstance(loss, _SCORES):
        if end in ("Softmax", "Sigmoid") and isinstance(loss, CrossEntropy | BCEWithLogits):
            own = "softmax" if isinstance(loss, CrossEntropy) else "sigmoid"
            seen = f"{name} contains the {own}, and the network ends with {facts.end.module} as well"
            yield Change("double-softmax", 100, seen, [drop], where)
        elif end and not (end == "LogSoftmax" and isinstance(loss, CrossEntropy)):
            weight = 85 if np.isfinite(facts.range).any() else 35
            takes = "the logarithm of a rate" if isinstance(loss, Poisson) else "scores of any size"
            yield misfit(weight, f"{name} takes {takes}, {end} gives {_span(facts)}", drop)
        return
    if end == "Softmax" and columns == 1 and not isinstance(loss, NLL | KLDivergence):
        yes_or_no = task.kind == "binary" or isinstance(loss, BCE)
        yield misfit(99, "a softmax over one unit is always 1", _ending(setup, Sigmoid()) if yes_or_no else drop)
    elif end == "Softmax" and isinstance(loss, BCE) and task.kind == "binary":
        yield misfit(90, "several columns can be 1 at once, and a softmax's add up to 1", _ending(setup, Sigmoid()))
    elif isinstance(loss, tuple(_TAKES)):
        takes, wanted, fine = next(_TAKES[kind] for kind in _TAKES if isinstance(loss, kind))
        if end not in fine:
            seen = f"{name} takes {takes}, and the network ends with {end or 'a layer'}, which gives {_span(facts)}"
            yield misfit(95, seen, _ending(setup, wanted()))
    elif end:
        low, high = facts.range
        y = setup.y.astype(np.float64)
        room = 0.02 * max(float(np.ptp(y)), 1e-12)
        outside = float(np.mean((y < low - room) | (y > high + room)))
        if outside > 0.01 or (end in ("Softmax", "LogSoftmax") and task.kind != "classes"):
            seen = f"{end} gives {_span(facts)}, and the targets reach from {y.min():.4g} to {y.max():.4g}"
            yield misfit(95 if outside > 0.01 else 60, seen, drop)
        elif end in edit.BENDING:
            seen = f"the network ends with {end}: once its input is below 0 nothing moves any more"
            yield misfit(58, seen, drop, *[_ending(setup, Sigmoid())] * (task.kind != "numbers"))


def _ending(setup: Setup, module: Any) -> Variant:
    """The network with another activation at its end."""
    words = f"end the network with {type(module).__name__}()"
    return of_net(setup, lambda net: edit.put_end(net, copy.deepcopy(module)), words)


def _span(facts: Facts) -> str:
    low, high = facts.range
    if not np.isfinite([low, high]).any():
        return "numbers of any size"
    if np.isfinite([low, high]).all():
        return f"numbers from {low:.3g} to {high:.3g}"
    return f"no number {'below' if np.isfinite(low) else 'above'} {low if np.isfinite(low) else high:.3g}"


def losses(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """A loss for another kind of targets."""
    loss, task, end = setup.loss, setup.task, facts.end_name
    name = type(loss).__name__
    if isinstance(loss, (*_SCORES, BCE, NLL, KLDivergence)) or not facts.looks_inside:
        if isinstance(loss, BCE) and task.kind == "classes" and end == "Sigmoid":
            seen = "one class of several, and the loss asks each by itself"
            yield Change("wrong-loss", 28, seen, [_cross_entropy(setup, end)])
        return
    if task.kind == "classes":
        seen = f"{name} is a loss of amounts, and the targets are classes"
        yield Change("wrong-loss", 52, seen, [_cross_entropy(setup, end)])
    elif task.kind == "binary" and facts.range == (0.0, 1.0) and task.low == 0:
        squares = isinstance(loss, MSE)
        seen = f"{name} is a loss of amounts, and the targets yes and no"
        yield Change("wrong-loss", 30 if squares else 56, seen, [of_loss(BCE()), *[of_loss(MSE())] * (not squares)])
    elif task.wild and not isinstance(loss, MAE | Huber):
        seen = f"{Tamed(setup.y, SQUEEZED).seen('y', setup.y)}; squares of them are all that {name} sees"
        yield Change("wrong-loss", 72, seen, [of_loss(Huber()), of_loss(MAE())])
    elif isinstance(loss, MAE):
        yield Change("wrong-loss", 32, "the gradient of MAE is as large near the goal as far from it", [of_loss(MSE())])


def _cross_entropy(setup: Setup, end: str) -> Variant:
    loss = of_loss(CrossEntropy())
    return together(loss, of_net(setup, edit.drop_end, f"the network without {end} at its end")) if end else loss
