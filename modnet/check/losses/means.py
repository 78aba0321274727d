"""Where a project takes the mean over the batch: in its losses, or in the gradients of its layers. Once is right.

Who divides is seen from a batch that holds every example twice: a loss that divides gives half the derivative for each, and
a layer that divides the same gradient of its parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.losses.data import data_for
from modnet.check.losses.subject import LossSubject
from modnet.check.modules.check import as_input
from modnet.check.modules.ways import way_for
from modnet.check.report import Finding, Report
from modnet.check.styles.adapters import subject_of
from modnet.check.styles.loss_calls import calling_of

_BATCH = re.compile(r"(1/\d+, one over|\d+,) the size of the batch")


def loss_divides(loss: Any, name: str, columns: bool = False) -> bool | None:
    """Whether a loss divides its derivative by the size of the batch, or of columns; None if that cannot be seen."""
    calling = calling_of(loss)
    if calling is None or not calling.derivative:
        return None
    calling = replace(calling, columns=columns)
    for truth, prediction in data_for(name):
        single = LossSubject(loss, truth, prediction, calling)
        double = LossSubject(loss, np.concatenate([truth] * 2), np.concatenate([prediction] * 2), calling)
        try:
            once, twice = (s.delta(s.x, np.ones(len(s.x))) for s in (single, double))
        except (Misbehaviour, ValueError, TypeError):
            continue
        whole = once.shape == prediction.shape and twice.shape == double.x.shape and np.isfinite(once).all() and once.any()
        if whole and (found := _halved(twice[: len(once)], once)) is not None:
            return found
    return None


def _halved(twice: np.ndarray, once: np.ndarray) -> bool | None:
    """Whether one is half of the other, or the same; None if it is neither."""
    return True if np.allclose(twice, once / 2, rtol=1e-6) else False if np.allclose(twice, once, rtol=1e-6) else None


def divided(cls: type) -> list[bool]:
    """Of each parameter of a layer with which that can be seen, whether its gradient is divided by the size of the batch."""
    found: list[bool] = []
    try:
        recipe, size = way_for(cls)
        module, x = recipe.build(size), recipe.input_shape(size)
        subject = subject_of(module, as_input(x), recipe)
        subject.examine()
        if subject.random or subject.batch_statistics or not subject.parameters(subject.fresh()):
            return found
        delta = subject.weights(3)
        once = subject.gradients(subject.x, delta)
        again = subject.like(module, np.concatenate([subject.x] * 2))
        again.examine()
        twice = again.gradients(again.x, np.concatenate([delta] * 2))
    except Exception:  # whatever a stranger's class raises when it is tried
        return found
    for name, g in once.items():
        if name in twice and g.any() and twice[name].shape == g.shape:
            divides = _halved(twice[name], 2 * g)
            found += [] if divides is None else [divides]
    return found


def is_of_batch(finding: Finding) -> bool:
    """Whether a finding says of a derivative that it is right but for the size of the batch."""
    return bool(_BATCH.search(finding.message))


def settle(report: Report, others: Iterable[bool | None], of_layer: bool, mixed: bool = False) -> None:
    """Judge a mean over the batch that a report finds, by what is known of the other half of the project.

    Parameters
    ----------
    others : for each loss of the project, or for each layer with parameters, whether it divides. of_layer : whether the report
        is on a layer. mixed : whether that layer divides some of its gradients and not others: no convention does.
    """
    found = [f for f in report.findings if f.kind == "scale" and is_of_batch(f)]
    less = [f for f in found if "one over" in f.message]
    of_parameters = [f for f in less if f.message.startswith("the gradient")]  # what goes back is never a mean
    found = of_parameters if of_layer else [f for f in found if f not in less]
    if not found:
        return
    known = [other for other in others if other is not None]
    if not known or mixed:
        return
    if all(known) if of_layer else not any(known):  # with one of the losses, or of the layers, it is taken once
        if of_layer:
            for finding in found:
                finding.message = f"{finding.message.rstrip('.')}; the loss of this project has divided by it already."
        return
    report.findings = [f for f in report.findings if f not in found]
    report.notes.append(MEAN)
    kinds = {f.kind for f in report.findings}
    for i, (operation, word, remark) in enumerate(report.verdicts):
        if word == "wrong" and "scale" in remark and "scale" not in kinds:
            rest = [kind for kind in remark.split(", ") if kind != "scale"]
            report.verdicts[i] = (operation, "wrong" if rest else "right", ", ".join(rest) or "but for the mean: see the note")


#: The note on a project whose layers take the mean.
MEAN = (
    "the mean over the batch is taken by the layers here, in the gradients of their parameters, and not by the loss: once in "
    "all, as some courses have it. With a loss whose derivative divides, it would be taken twice."
)
