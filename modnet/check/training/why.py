"""check_training: whether a training learns what its data can teach, and if not, which change cures it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modnet.check.arrays import copied
from modnet.check.layers import needs_integers
from modnet.check.report import Report
from modnet.check.subject import Misbehaviour
from modnet.check.training.byhand import as_sgd, is_plain, known_loss, law_of, translated
from modnet.check.training.change import Change
from modnet.check.training.change_steps import faster
from modnet.check.training.examples import Examples, is_complete, read_batches, sample
from modnet.check.training.facts import Facts, dead, gradient_norms, look, saturated
from modnet.check.training.report import TrainingFinding, TrainingReport
from modnet.check.training.search import Search
from modnet.check.training.setup import Setup, frozen
from modnet.check.training.steps import check_steps
from modnet.check.training.task import Task
from modnet.inputs import as_numbers, as_targets, real
from modnet.training import fit, predict
from modnet.training.sources import is_batches

_STEPS_ON = 64  # examples on which the steps themselves are looked at
_NAMES = {"sign": "wrong-sign", "never-zeroed": "not-zeroed"}
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
    seconds : a limit on top of the limit on work, which is counted in examples times parameters. The report says if it was met.
    fit_options : those of `fit`: epochs, batch_size, shuffle, validation, rng, sample_weight, patience. Others play
        no part: `augment` and callbacks are not called, which the report says.

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
    options = _options(fit_options)
    read = ""
    if is_batches(X, y):
        X, y, found, read = read_batches(X)
        options |= found
    X, y = np.array(as_numbers(X, "check_training", "X")), np.array(as_targets(y, "check_training"))
    if len(X) != len(y) or not len(X):
        raise ValueError(f"check_training: X has {len(X)} examples and y {len(y)}, expected as many, and at least one")
    words = X.dtype.kind in "iu" and needs_integers(net, X[:8])
    X = X if words else X.astype(np.float32 if X.dtype == np.float32 else np.float64)
    name = type(optimizer).__name__
    report = TrainingReport(f"{name} on {type(net).__name__} with {type(loss).__name__}, {len(X)} examples")
    if read:
        report.verdict("the data", remark=read)
    with np.errstate(all="ignore"):
        try:
            _check(report, net, loss, optimizer, X, y, words, limit, options)
        except Misbehaviour as problem:
            report.findings.append(TrainingFinding(problem.kind, f"{name}.step", problem.message + ".", line=problem.line))
            report.verdict("a step", right=False, remark=problem.kind)
    return report


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """The options of `fit`, with its defaults; a TypeError for names it does not have."""
    signature = inspect.signature(fit)
    for name in given:
        if name not in signature.parameters:
            known = ", ".join(p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY)
            raise TypeError(f"check_training: {name} is no option of fit, expected some of {known}")
    return {p.name: given.get(p.name, p.default) for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


def _check(
    report: TrainingReport, net: Any, loss: Any, optimizer: Any, X: np.ndarray, y: np.ndarray, words: bool, limit: float,
    options: dict[str, Any],
) -> None:  # fmt: skip
    ours = hasattr(optimizer, "attach")
    size = min(options["batch_size"] or len(X), len(X))
    steps = None
    if ours and not is_plain(net):
        report.verdict("a step", remark="the library's own")
    else:
        rows = sample(len(X), min(size, _STEPS_ON))
        steps = check_steps(net, loss, optimizer, X[rows], y[rows])
        left = (*_LEFT_TO_TRIALS, "lr-ignored") if ours else _LEFT_TO_TRIALS
        certain = [f for f in steps.findings if f.kind not in left]
        report.verdict("a step", right=not certain, remark=certain[0].kind if certain else "against the gradient, by the rate")
        if certain and certain[0].kind not in _NAMES:
            report.findings += certain
            return
        steps.findings = certain
    try:
        subject = _subject(net, loss, optimizer, X, y, size, ours, steps)
    except ValueError as error:  # the network does not take X
        report.findings.append(TrainingFinding("crash", "X", " ".join(str(error).split()) + "."))
        return
    data = Examples(X, y, options, subject.setup_parts["task"], is_complete(X))
    cut = data.cut(subject.setup_parts)
    if cut:
        report.verdict("the training", right=None, remark=cut)
    first = [*data.mismatch(), *subject.first]
    search = Search(data.make, report, words, limit, first, shorter=data.shorter, few=data.few, pair=data.pair)
    search.run()
    _symptoms(report, search)
    if steps is not None and steps.findings and report.ok:  # learns all the same
        found = steps.findings[0]
        report.findings.append(TrainingFinding(_NAMES[found.kind], found.where, found.message, found.hint, line=found.line))
    if steps is not None and steps.findings:
        for finding in report.findings:
            if finding.kind == _NAMES[steps.findings[0].kind]:
                finding.line, finding.where = steps.findings[0].line, steps.findings[0].where
    report.seconds = search.budget.taken
    left_out = [name for name in ("augment", "callbacks", "comm") if options[name] not in (None, ())]
    if left_out:
        report.verdict("the options", right=None, remark=f"trained without {' and '.join(left_out)}")
    if search.budget.late:
        remark = f"cut short by the limit of {limit:g} s: a later change may cure as well"
        report.verdict("the search", right=None, remark=remark)
    elif search.budget.spent:
        report.verdict("the search", right=None, remark="the work allowed was used up: a later change may cure as well")


# --- who trains -------------------------------------------------------------------------------------------------------


@dataclass
class _Subject:
    """What trains, in the form that is run; and changes that only it can have."""

    setup_parts: dict[str, Any]
    first: list[Change]


def _subject(
    net: Any, loss: Any, optimizer: Any, X: np.ndarray, y: np.ndarray, size: int, ours: bool, steps: Report | None
) -> _Subject:  # fmt: skip
    few = X[:_STEPS_ON]
    twin = translated(net, few) if is_plain(net) else None
    own = net if twin is None else twin
    yhat = np.asarray(predict(own, few) if hasattr(own, "storage") else copied(own).forward(few.copy()))
    task = Task.of(loss, y, yhat.shape[1:])
    plain = twin is not None
    if ours:
        parts = {"net": own, "loss": loss, "optimizer": optimizer.fresh(), "task": task, "rates": frozen(net, optimizer)}
        return _Subject({**parts, "plain_classes": plain}, [])
    where = f"{type(optimizer).__name__}.step"
    rows = sample(len(X), size)
    law = law_of(net, loss, optimizer, X[rows], y[rows])
    known, factor = known_loss(loss, y[:_STEPS_ON], yhat) if not hasattr(type(loss), "is_compiled") else (loss, 1.0)
    kinds = [_NAMES[f.kind] for f in steps.findings] if steps is not None else []
    translatable = law is not None and known is not None and hasattr(own, "storage")
    walk: dict[str, Any] = {}
    if translatable and law is not None:
        walk = {
            "net": own, "loss": known, "optimizer": as_sgd(law.rate * factor), "plain_classes": plain,
            "rate_name": law.name or "eps", "loop": None,
        }  # fmt: skip
    if walk and law is not None and not kinds and law.plain and law.rate > 0:
        first = []
        if not law.divided and size > 1:
            seen_twice = "a step on the same examples twice is twice as long: the gradient is a sum over the batch"
            line = "delta = loss.backward(y, yhat) / len(y)"
            first.append(Change("not-divided", 98, seen_twice, [(line, lambda s: faster(s, 1 / size))], where))
        return _Subject({**walk, "task": task}, first)
    # A loop that is not plain descent is run as it is.
    name = law.name if law is not None else ""
    parts = {"net": net, "loss": loss, "optimizer": optimizer, "task": task, "loop": _step, "rate_name": name}
    seen = {
        "wrong-sign": "a step goes uphill: along it the loss grows",
        "not-zeroed": "gradients of the last step are still in the next one's",
    }
    lines = {
        "wrong-sign": "parameters -= rate * gradient, and delta = loss.backward(y, yhat), y first",
        "not-zeroed": "net.zero_grad() before backward_update_gradient, in every step",
    }
    first = [Change(k, 99, seen[k], [(lines[k], lambda s: s.but(**walk))], where) for k in kinds if walk]
    if name and not kinds:
        first += _loop_rates(name, optimizer)
    return _Subject(parts, first)


def _loop_rates(name: str, optimizer: Any) -> list[Change]:
    """Other rates for a loop by hand that is run as it is."""
    given = float(getattr(optimizer, name))

    def at(factor: float) -> Callable[[Setup], Setup]:
        def apply(setup: Setup) -> Setup:
            net, loss, twin = copied([setup.net, setup.loss, setup.optimizer])
            setattr(twin, name, given * factor)
            return setup.but(net=net, loss=loss, optimizer=twin)

        return apply

    def lines(factors: tuple[float, ...]) -> list[tuple[str, Callable[[Setup], Setup]]]:
        return [(f"optimizer.{name} = {given * f:g}", at(f)) for f in factors]

    return [
        Change("rate-too-large", 46, f"the rate is {given:g}", lines((0.1, 0.01, 0.001)), ladder=True),
        Change("rate-too-small", 46, f"the rate is {given:g}", lines((10.0, 100.0, 1e3, 1e4, 1e5)), ladder=True),
    ]


def _step(net: Any, loss: Any, optimizer: Any, x: np.ndarray, y: np.ndarray) -> None:
    optimizer.step(x, y)


def _symptoms(report: TrainingReport, search: Search) -> None:
    """What `plot` draws beside the losses."""
    if not hasattr(search, "facts"):
        return
    facts: Facts = search.facts
    kind = report.findings[0].kind if report.findings else ""
    report.symptoms = {"mean": facts.mean, "deviation": facts.deviation, "kind": kind}
    if facts.outputs:
        after = look(search.base.net, search.setup.X) if search.base.net is not None else facts.outputs
        report.symptoms |= {
            "dead": dead(after), "saturated": saturated(facts.outputs), "norms": gradient_norms(search.setup),
            "outputs": [(f"net{place}", module, out) for place, module, _, out in facts.outputs],
        }  # fmt: skip


__all__ = ["check_training"]
