"""check_training: whether a training learns what its data can teach, and if not, which change cures it."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.networks.steps import check_steps
from modnet.check.report import Finding, Report
from modnet.check.training.byhand import cutting, is_plain
from modnet.check.training.examples import Examples, sample
from modnet.check.training.facts import gradient_norms
from modnet.check.training.given import Given, given
from modnet.check.training.report import TrainingFinding, TrainingReport
from modnet.check.training.search import Search
from modnet.check.training.trained import NAMES, subject
from modnet.inputs import real

_STEPS_ON = 64  # examples on which the steps themselves are looked at
#: Findings about steps that depend on the data and the rate, and are left to the experiments.
_LEFT_TO_TRIALS = ("scale", "direction")


def check_training(
    net: Any, loss: Any, optimizer: Any, X: Any, y: Any = None, *, seconds: float = 5, **fit_options: Any
) -> Report:
    """Find out whether a training learns what its data can teach, and if not, why: by changing one thing and training again.

    First the steps of a loop by hand are looked at: that all layers move, against the gradient, by the rate, from gradients
    that are reset. Then the training is compared with a simple reference on the same data, judged on held-out examples if there
    are enough. If it falls behind, changes are tried one at a time, the likeliest by what can be read first; the change that
    cures is the diagnosis. Nothing that is given is changed.

    Parameters
    ----------
    net, loss : the network as it is before training, and its loss: ours, or any objects with their methods.
    optimizer : one of `modnet.optim`; or a student's Optim, an object with step(batch_x, batch_y) that holds net, loss and its
        rate.
    X, y : all the data of the training, as `fit` takes them; an iterable of batches must be one that can be gone through again.
    seconds : a limit of processor time on top of the limit on work, which is counted in examples times parameters. On a busy
        machine that takes longer by the clock, at most twelve times as long. The report says if it was met.
    fit_options : those of `fit`: epochs, batch_size, shuffle, validation, rng, sample_weight, patience, augment.
        Others play no part: callbacks are not called, which the report says.

    Returns
    -------
    report : `Report`, with `plot()` and `trials`. A finding has a kind, what was seen, the change as a line of code, and its
        proof. Each kind has a page in docs/why.

    Example
    -------
    >>> import numpy as np
    >>> from modnet import MSE, Linear, Sequential, Tanh
    >>> from modnet.optim import SGD
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> net = Sequential(Linear(1, 16, rng=0), Tanh(), Linear(16, 1, rng=1))
    >>> report = check_training(net, MSE(), SGD(0.1), X, 1000 * np.sin(3 * X), epochs=50, rng=0)
    >>> report.findings[0].kind, report.findings[0].change
    ('unscaled-targets', 'y = (y - y.mean(axis=0)) / y.std(axis=0)')
    """
    limit = real(seconds, "check_training", "seconds", "a positive number", lambda v: v > 0)
    data = given(net, loss, optimizer, X, y, fit_options)
    name = type(optimizer).__name__
    report = TrainingReport(f"{name} on {type(net).__name__} with {type(loss).__name__}, {len(data.X)} examples")
    if data.read:
        report.verdict("the data", remark=data.read)
    if data.unfit is not None:
        report.findings.append(data.unfit)
        report.verdict("the data", right=False, remark="not all are finite numbers")
        return report
    with np.errstate(all="ignore"):
        try:
            _check(report, net, loss, optimizer, data, limit)
        except Misbehaviour as problem:
            report.findings.append(TrainingFinding(problem.kind, f"{name}.step", problem.message + ".", line=problem.line))
            report.verdict("a step", right=False, remark=problem.kind)
    return report


def _check(report: TrainingReport, net: Any, loss: Any, optimizer: Any, data: Given, limit: float) -> None:
    X, y, options = data.X, data.y, data.options
    ours = hasattr(optimizer, "attach")
    size = min(options["batch_size"] or len(X), len(X))
    steps = None
    if ours and not is_plain(net):
        report.verdict("a step", remark="the library's own")
    else:
        rows = sample(len(X), min(size, _STEPS_ON))
        steps = check_steps(net, loss, optimizer, X[rows], y[rows])
        left = (*_LEFT_TO_TRIALS, "lr-ignored") if ours else _LEFT_TO_TRIALS
        if cutting(net, loss, X[rows], y[rows]) is not None:  # the step is not to blame
            left = (*left, "layer-not-trained")
        certain = [f for f in steps.findings if f.kind not in left]
        report.verdict("a step", right=not certain, remark=certain[0].kind if certain else "against the gradient, by the rate")
        if certain and certain[0].kind not in NAMES:
            report.findings += certain
            return
        steps.findings = certain
    try:
        found = subject(net, loss, optimizer, X, y, size, steps)
    except ValueError as error:  # the network does not take X
        report.findings.append(TrainingFinding("crash", "X", " ".join(str(error).split()) + "."))
        return
    examples = Examples(data, found.parts)
    if examples.cut:
        report.verdict("the training", right=None, remark=examples.cut)
    search = Search(examples, report, [*examples.mismatch(), *found.first], limit)
    search.run()
    _symptoms(report, search)
    tried = any(change.kind == "wrong-gradient" for change in found.first)
    _place(report, steps.findings[0] if steps is not None and steps.findings else None, found.wrong, search.behind, tried)
    report.seconds = search.budget.taken
    left_out = [name for name in ("callbacks", "comm") if options[name] not in (None, ())]
    if options["augment"] is not None and found.parts.get("loop") is not None:  # fit's alone
        left_out.append("augment")
    if left_out:
        report.verdict("the options", right=None, remark=f"trained without {' and '.join(left_out)}")
    ended = f"cut short by the limit of {limit:g} s" if search.budget.late else "the work allowed was used up"
    if search.budget.late or search.budget.spent:
        report.verdict("the search", right=None, remark=f"{ended}: a later change may cure as well")


def _place(report: TrainingReport, step: Finding | None, wrong: Finding | None, behind: bool, tried: bool) -> None:
    """Findings that were seen in the code as well: with their place in it, and without a cure if none was found.

    Parameters
    ----------
    step, wrong : what the check of the steps and that of the gradient found.
    behind : whether it learns less than the reference. tried : whether the right gradient was.
    """
    known = [(NAMES[step.kind], step)] if step is not None else []
    known += [("wrong-gradient", wrong)] if wrong is not None else []
    for kind, seen in known:
        for finding in report.findings:
            if finding.kind == kind:
                finding.line, finding.where, finding.hint = seen.line, seen.where, finding.hint or seen.hint
    if step is not None and report.ok:  # learns all the same
        report.findings.append(TrainingFinding(NAMES[step.kind], step.where, step.message, step.hint, line=step.line))
    if wrong is not None and (report.ok or not tried):
        report.verdict("the gradient", right=False, remark=f"{wrong.kind} in {wrong.where}: ask check_network")
        if behind:
            message = f"{wrong.kind}: {wrong.message}"
            report.findings.insert(0, TrainingFinding("wrong-gradient", wrong.where, message, wrong.hint, line=wrong.line))


def _symptoms(report: TrainingReport, search: Search) -> None:
    """What `plot` draws beside the losses."""
    if not hasattr(search, "facts"):
        return
    facts = search.facts
    kind = report.findings[0].kind if report.findings else ""
    report.symptoms = {"mean": facts.mean, "deviation": facts.deviation, "kind": kind}
    if facts.outputs:
        report.symptoms |= {"norms": gradient_norms(search.setup), "outputs": facts.outputs}
