"""What is asked of a class of a hand-in once it is loaded: an object is built, put to the check of its kind, and reported on.

This is the only place where what loads hand-ins (`modnet.check.handins`) and what judges classes (`check_module`, `check_loss`,
`check_network`, `check_steps`) meet. `ask` is called once for a class, in a process of its own that holds the whole hand-in
and may end at any time, with numpy's and Python's generators at a fixed state. It gets

- subject : a `Loaded`, the class with its kind ("module", "loss", "network", "optim", "loop", "package", or "functions": a pair
  of functions in the place of a class), file, cell and line;
- project : a `Project`. ``project.of("module")`` lists the loaded classes of a kind from all files of the hand-in, with
  ``near=subject`` those of the subject's own file first; ``project.is_wrong(other)`` says whether something was found in one
  already: modules and losses are asked before networks, networks before optims;
- options : an `Options`, of which ``make`` and ``shape`` say how to build the class and what to give it.

It returns a `Report`. A `Misbehaviour` that it lets through becomes a finding. A verdict "not checked" whose remark says why is
the answer for what cannot be built or wired; a report in which every verdict is "not checked" counts as a class not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Any

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.building.constructors import by_last_axis
from modnet.check.functions.check import in_columns
from modnet.check.functions.pairs import examine_pair
from modnet.check.functions.weighted import examine_weighted
from modnet.check.handins import others
from modnet.check.handins.loaded import Loaded, Project
from modnet.check.handins.options import Options
from modnet.check.losses import means
from modnet.check.losses.check import built_loss, check_loss, examine_loss, examine_loss_object, loss_data
from modnet.check.losses.derivatives import examine_derivative
from modnet.check.modules.contract import examine_module
from modnet.check.modules.evaluation import ALWAYS
from modnet.check.modules.options import add_with
from modnet.check.modules.other_styles import examine_other, with_activations_of
from modnet.check.modules.ways import Unsettled
from modnet.check.networks.assembled import examine_assembled, goes_both_ways, is_assembled, is_filled
from modnet.check.networks.descent import examine_descent
from modnet.check.networks.flow import InFunctions
from modnet.check.networks.loops import add_own_loop, examine_loop
from modnet.check.networks.parts import Parts
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import examine_network_class, network_of_layers, used_by
from modnet.check.networks.trainers import examine_trained, examine_training, trains
from modnet.check.optimizers import examine_optimizer, examine_rule, is_optimizer
from modnet.check.reading.arguments import NotBuilt, required, switches
from modnet.check.reading.definitions import plain_name
from modnet.check.report import Finding, Line, Report, not_checked
from modnet.check.styles.adapters import remembers
from modnet.check.styles.loss_calls import derivative_alone, is_other_loss, methods_of, order_of
from modnet.loss import Loss


def ask(subject: Loaded, project: Project, options: Options) -> Report:
    """The report on one class; see the top of this file. What cannot be built is not checked, and the report says why."""
    try:
        return _ASKED[subject.kind](subject, project, options)
    except NotBuilt as problem:
        return not_checked(subject.name, str(problem))
    except Misbehaviour as problem:
        report = Report(subject.name)
        report.findings.append(Finding(problem.kind, subject.name, problem.message + ".", problem.hint, line=problem.line))
    return report


def _module(subject: Loaded, project: Project, options: Options) -> Report:
    made = None
    if options.makes(subject.name):
        made = call(options.make, lambda: eval(options.make, project.namespace(subject.file)))
    elif remembers(subject.cls) and (network := network_of_layers(subject.cls)) is not None:
        return _with_right_parts(network, subject, project)
    if made is None and remembers(subject.cls):
        report = _as_the_others(subject, project)
    else:
        report = examine_module(subject.cls, made, options.shape)
    _beside_its_loss(report, subject, project)
    if made is None and remembers(subject.cls):
        curves = [c for c in project.of("module") if plain_name(c.cls) in ("sigmoid", "tanh") and not project.is_wrong(c)]
        with suppress(NotBuilt, Misbehaviour):
            with_activations_of(report, subject.cls, [c.cls for c in curves if remembers(c.cls)])
    if any(ALWAYS in f.message for f in report.findings) and others.skipped_by_name(subject, project):
        report.findings = [f for f in report.findings if ALWAYS not in f.message]
        report.verdicts = [row for row in report.verdicts if row[2] != "eval-mode"]
    if remembers(subject.cls) and any(f.kind == "scale" for f in report.findings):
        of_layers = {*others.known(subject, project).get("divides", ()), *others.layers(subject, project)}
        mixed = {True, False} <= of_layers
        means.settle(report, others.losses(subject, project), of_layer=True, mixed=mixed)
    return report


def _loop(subject: Loaded, project: Project, options: Options) -> Report:
    held: Any = subject.cls
    if not hasattr(held, "descent"):
        return examine_loop(held)
    wrong = [c.name for c in project.of("optim") if project.is_wrong(c)]
    try:
        report = examine_descent(held.descent, others.workshop(subject, project).bases, wrong, held.holder)
    except NotBuilt as problem:
        report = not_checked(subject.name, str(problem))
    strange = {f.kind for f in report.findings} & _OF_OTHER_CALLS
    if held.holder is None and (report.ok or strange):
        networks = [c.cls for c in project.of("network", near=subject) if not project.is_wrong(c)]
        with suppress(NotBuilt):
            parts = others.parts(subject, project)
            own = _of_right_parts(examine_training(held.descent, networks, parts), subject, parts)
            judged = [any(word != "not checked" for _, word, _ in each.verdicts) for each in (report, own)]
            if not judged[0] or (strange - _OF_ZEROS and judged[1]):
                return own
            if strange and judged[1]:  # its author's network sets them to zero
                report.findings = [f for f in report.findings if f.kind not in _OF_ZEROS]
                report.verdicts = [row for row in report.verdicts if row[2] not in _OF_ZEROS]
            report.add(own, "with layers of its own")
    return report


#: What is found of a loop that goes on with a network in another way than the one it was given answers: as its author's does.
_OF_ZEROS = {"never-zeroed"}
_OF_OTHER_CALLS = {"chain", "layer-not-trained", "direction", "crash"} | _OF_ZEROS


def _loss(subject: Loaded, project: Project, options: Options) -> Report:
    layers, asked = project.of("module"), required(subject.cls, "forward")
    if asked is None and derivative_alone(subject.cls):
        return examine_derivative(subject.cls)
    asked = asked or []
    alone = not callable(getattr(subject.cls, "backward", None)) and methods_of(subject.cls) is None
    if alone and len(asked) == 2 and order_of(asked):  # a prediction comes first: it is none of the contract's
        return not_checked(subject.name, f"no method of it gives the derivative of forward({', '.join(asked)})")
    if others.follows_the_contract(project) or not (is_other_loss(subject.cls) or (layers and _as_in_libraries(subject.cls))):
        return examine_loss(subject.cls)
    cls, name = subject.cls, subject.name

    def examine(cls: type, options: dict[str, Any] | None = None) -> Report:
        return examine_loss_object(built_loss(cls, options), name)

    def with_option(option: str, value: Any) -> Report:
        chosen = {option: value}
        return _in_their_layout(examine(cls, chosen), built_loss(cls, chosen), name, project)

    report = examine(cls)
    if "batch-coupled" in {f.kind for f in report.findings}:
        report = _along_last_axis(cls, examine) or report
    report = _in_their_layout(report, built_loss(cls), name, project)
    add_with(report, switches(cls), with_option, row=False)
    means.settle(report, others.layers(subject, project), of_layer=False)
    return report


def _network(subject: Loaded, project: Project, options: Options) -> Report:
    """By the form of its methods; what has a form of its own and cannot be built so is put together as one of the contract."""
    cls, contract = subject.cls, others.follows_the_contract(project)
    if form_of(cls):
        try:
            report = examine_network_class(cls)
            add_own_loop(report, cls)
            if form_of(cls) == "kept" and others.clears_gradients(project):  # then it may add them
                report.findings = [f for f in report.findings if f.kind != "never-zeroed"]
        except Misbehaviour as problem:
            report = Report(subject.name)
            report.findings.append(Finding(problem.kind, subject.name, problem.message + ".", problem.hint, line=problem.line))
        return _with_right_parts(report, subject, project)
    parts = others.parts(subject, project)
    if not contract and (is_assembled(cls) or goes_both_ways(cls)):
        with suppress(NotBuilt):
            return _with_own_parts(examine_assembled(cls), subject, project, parts)
    if trains(cls) and (issubclass(cls, InFunctions) or not (contract or is_filled(cls))):
        try:
            report = _of_right_parts(examine_trained(cls, others.scripts(project), parts), subject, parts)
            return _with_right_parts(report, subject, project)
        except NotBuilt:
            network = network_of_layers(cls) or _as_layer(cls)
            if network is None:
                raise
            return _with_right_parts(network, subject, project)
    report = others.workshop(subject, project).examine_network(cls)
    unset = [f.message for f in report.findings if f.kind == "crash" and "'NoneType' object has no" in f.message]
    if unset and len(unset) == len(report.findings):
        raise NotBuilt(f"{unset[0]} Somebody else sets it first; check_network checks one that you build")
    if project.of("module") and not contract and any(re.search(r" has no \w+\(", f.message) for f in report.findings):
        # a method of a contract that it does not follow
        raise NotBuilt("how it gives its gradients is not known; check_network(net, None, X, y) takes one that you build")
    return report


def _as_layer(cls: type) -> Report | None:
    """The report on what is called a network, such as an RNN, and is a layer; None if it cannot be asked as one."""
    with suppress(NotBuilt, Misbehaviour):
        report = examine_module(cls) if remembers(cls) else Report(cls.__name__)
        goes_back = not any(f.kind in ("shape", "crash", "not-implemented") for f in report.findings)
        if goes_back and any(word != "not checked" for _, word, _ in report.verdicts):
            return report
    return None


def _with_own_parts(report: Report, subject: Loaded, project: Project, parts: Parts) -> Report:
    """The report on a network of our parts, with what is found besides if it is made of its author's."""
    if report.ok and trains(subject.cls):
        with suppress(NotBuilt, Misbehaviour):
            own = _of_right_parts(examine_trained(subject.cls, others.scripts(project), parts), subject, parts)
            report.add(_with_right_parts(own, subject, project), "with layers of its own")
    return report


def _of_right_parts(report: Report, subject: Loaded, parts: Parts) -> Report:
    """The report on a network of its author's parts; what may be the mistake of one of them is not said of the network."""
    if report.findings and parts.suspect:
        return not_checked(subject.name, f"mend {', '.join(parts.suspect)} first")
    return report


def _optim(subject: Loaded, project: Project, options: Options) -> Report:
    if is_optimizer(subject.cls):
        networks, layers = ([c.cls for c in project.of(kind, near=subject)] for kind in ("network", "module"))
        return examine_optimizer(subject.cls, networks=networks, layers=layers)
    report = others.workshop(subject, project).examine_optim(subject.cls)
    for finding in report.findings:
        if finding.kind == "never-zeroed" and (places := others.zeroed_at(project)):
            finding.given_weight = "in part"
            finding.hint += f". It is called at {places}: whoever trains in this way misses nothing"
    return report


def _as_the_others(subject: Loaded, project: Project) -> Report:
    """The report on a layer, in the layout of the other layers of its project if its own does not tell how examples lie."""
    cls, report = subject.cls, None
    unsettled: Unsettled | None = None
    try:
        report = examine_other(cls)
        if not any(f.kind in ("batch-coupled", "shape") for f in report.findings):
            return report
    except Unsettled as problem:
        unsettled = problem
    if (turned := _along_last_axis(cls, examine_other)) is not None:
        return turned
    layout, like = others.layout(project, subject)
    if unsettled is not None and not layout:
        raise unsettled
    if unsettled is not None or layout not in ("", "rows"):
        with suppress(Misbehaviour):
            again = examine_other(cls, layout)
            if report is None or "batch-coupled" not in {f.kind for f in again.findings}:
                again.notes.append(f"checked as {like} is: {_LAYOUTS[layout]}")
                return again
    if report is None:
        raise unsettled or NotBuilt(f"{subject.name} could not be asked as {like} is")
    if others.taken_one_by_one(project) and any("where it had" in f.message for f in report.findings):
        with suppress(Misbehaviour):
            return examine_other(subject.cls, "row")
    return report


def _along_last_axis(cls: type, examine: Callable[[type], Report]) -> Report | None:
    """The report on a class that by default works along the examples, asked along the last axis if that couples none."""
    again = examine(turned) if (turned := by_last_axis(cls)) is not None else None
    if again is None or "batch-coupled" in {f.kind for f in again.findings} or not again.verdicts:
        return None
    again.notes.append("checked along the last axis of an example: the default is the axis of the examples.")
    return again


def _beside_its_loss(report: Report, subject: Loaded, project: Project) -> None:
    """Say of a softmax that hands delta on that it is right after yhat - y, if a line of the project gives that."""
    found = [f for f in report.findings if f.kind == "identity"]
    if not found or not remembers(subject.cls) or not plain_name(subject.cls).startswith("softmax"):
        return
    for file in project.files:
        for number, line in enumerate(others.text(file).split("\n"), 1):
            if _DIFFERENCE.search(line):
                beside = f"which is right only after yhat - y, as in {file.name}, line {number}."
                found[0].message, found[0].given_weight = f"{found[0].message.rstrip('.')}, {beside}", "form"
                return


def _in_their_layout(report: Report, loss: Any, name: str, project: Project) -> Report:
    """The report on a loss in the layout of its project's layers, if it is right so, or more so."""
    of_batch = {"batch-coupled", "forward", "shape", "scale", "crash"}
    judged = any(word != "not checked" for _, word, _ in report.verdicts)
    if judged and not of_batch.intersection(f.kind for f in report.findings):
        return report
    layout, _ = others.layout(project)
    if layout in ("", "rows"):
        return report
    layout = "single" if layout == "single" else "columns"
    again = examine_loss_object(loss, name, layout)
    by_mean = layout == "columns" and all(f.kind == "scale" and means.is_of_batch(f) for f in again.findings)
    return again if again.ok or by_mean or not of_batch.intersection(f.kind for f in again.findings) else report


#: A line that gives yhat - y and nothing else, but for a mean.
_DIFFERENCE = re.compile(
    r"(=|return)\s*\(?\w*(pred|hat|prob|output)\w*\s*-\s*\w*(true|target|label|one_?hot|y)\w*\)?\s*(/[^*]*)?$", re.I
)
_LAYOUTS = {
    "rows": "an example is a row.", "columns": "an example is a column.", "middle": "examples lie along the second axis.",
    "single": "it is given one example, without an axis for the batch.",
}  # fmt: skip


def _as_in_libraries(cls: type) -> bool:
    """Whether a loss is one of (y_true, y_pred), which is one number in scikit-learn, Keras and books that follow them."""
    return not issubclass(cls, Loss) and [n.lower() for n in required(cls, "forward") or []] == ["y_true", "y_pred"]


def _functions(subject: Loaded, project: Project, options: Options) -> Report:
    """The report on functions: a pair, a loss, or a loss with its weights."""
    held: Any = subject.cls
    if hasattr(held, "pair"):
        report = examine_pair(*held.pair)
        if in_columns(held.pair[0]):  # of a course whose layers take the mean, unless the loss has
            alone = [f.kind for f in report.findings if "gradient of" in f.message] == ["scale"]  # of W and b
            means.settle(report, chain(others.losses(subject, project), [False]), of_layer=True, mixed=alone)
        return report
    if hasattr(held, "rule"):
        return examine_rule(held.rule)
    if hasattr(held, "weighted"):
        return examine_weighted(held.weighted)
    if not hasattr(held, "loss"):
        return _as_the_others(subject, project)
    report = _in_their_layout(examine_loss_object(held.loss, subject.name), held.loss, subject.name, project)
    value, derivative = held.loss.calling.value, held.loss.calling.derivative
    if value != derivative and derivative.isidentifier():  # each function has its own record
        report.findings = [f for f in report.findings if f.where == subject.name]
        report.verdicts = [row for row in report.verdicts if row[0] in (subject.name, "")] or report.verdicts
    means.settle(report, others.layers(subject, project), of_layer=False)
    return report


def _package(subject: Loaded, project: Project, options: Options) -> Report:
    """The report on a package that imports what no file defines."""
    held: Any = subject.cls
    number, source, _ = held.lacks[0]
    line = Line(str(subject.file), number)
    names = [name for _, _, name in held.lacks]
    report = Report(subject.name)
    message = f"{', '.join(names)}: imported here, and defined nowhere. import {subject.file.parent.name} raises ImportError."
    hint = f"is {names[0]} spelt as in {source}? Define it, or leave it out; here it is stood in for, and the rest is checked"
    report.findings.append(Finding("crash", "import", message, hint, line=line))
    report.verdict("import", right=False, remark="crash")
    return report


def _with_right_parts(report: Report, subject: Loaded, project: Project) -> Report:
    """A network's report; what may come from a layer or a function in which something was found is not said of the network."""
    parts = used_by(subject.cls)
    wrong = [c.name for kind in ("module", "loss", "functions") for c in project.of(kind) if project.is_wrong(c)]
    names = [n for n in wrong if n in parts or any(part.startswith(n + "_") for part in parts)]
    kinds = ("direction", "crash", "saturates", "scale", "mutates", "not-implemented")
    vague = [f for f in report.findings if f.kind in kinds and "NameError" not in f.message]
    if not names or not vague:
        return report
    report.findings = [f for f in report.findings if f not in vague]
    if report.findings:
        return report
    return not_checked(subject.name, f"mend {', '.join(dict.fromkeys(names))} first")


def ask_object(made: Any, kind: str, shape: tuple[int, ...] | None = None) -> Report:
    """The report on a module or a loss that is built already; of other kinds, on their forward and backward as a module's."""
    return check_loss(made, *loss_data(made)) if kind == "loss" else examine_module(type(made), made, shape)


_ASKED = {
    "module": _module, "loss": _loss, "functions": _functions, "network": _network, "optim": _optim, "loop": _loop,
    "package": _package,
}  # fmt: skip
