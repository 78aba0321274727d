"""What is asked of a class of a hand-in once it is loaded: an object is built, put to the check of its kind, and reported on.

This is the only place where what loads hand-ins (`modnet.check.handins`) and what judges classes (`check_module`, `check_loss`,
`check_network`, `check_steps`) meet. `ask` is called once for a class, in a process of its own that holds the whole hand-in
and may end at any time, with numpy's and Python's generators at a fixed state. It gets

- subject : a `Loaded`, the class with its kind ("module", "loss", "network", "optim"), file, cell and line;
- project : a `Project`. ``project.of("module")`` lists the loaded classes of a kind from all files of the hand-in, with
  ``near=subject`` those of the subject's own file first; ``project.is_wrong(other)`` says whether something was found in one
  already: modules and losses are asked before networks, networks before optims;
- options : an `Options`, of which ``make`` and ``shape`` say how to build the class and what to give it.

It returns a `Report`. A `Misbehaviour` that it lets through becomes a finding. A verdict "not checked" whose remark says why is
the answer for what cannot be built or wired; a report in which every verdict is "not checked" counts as a class not checked.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.check import known
from modnet.check.handins.loaded import Loaded, Project
from modnet.check.handins.options import Options
from modnet.check.losses import check_loss
from modnet.check.modules import check_module
from modnet.check.networks import check_network
from modnet.check.report import Report
from modnet.check.subject import Misbehaviour, as_output, call
from modnet.check.training import check_steps


def ask(subject: Loaded, project: Project, options: Options) -> Report:
    """The report on one class; see the top of this file."""
    return {"module": _ask_module, "loss": _ask_loss, "network": _ask_network, "optim": _ask_optim}[subject.kind](
        subject, project, options
    )


def _ask_module(subject: Loaded, project: Project, options: Options) -> Report:
    if options.makes(subject.name):
        made = call(options.make, lambda: eval(options.make, project.namespace(subject.file)))
    else:
        made = build(subject.cls)
    return ask_object(made, "module", options.shape)


def _ask_loss(subject: Loaded, project: Project, options: Options) -> Report:
    return ask_object(call(f"{subject.name}()", subject.cls), "loss")


def ask_object(made: Any, kind: str, shape: tuple[int, ...] | None = None) -> Report:
    """The report on a module or a loss that is built already; of other kinds, on their forward and backward as a module's."""
    if kind == "loss":
        return check_loss(made, *loss_data(made))
    return check_module(made, shape or input_for(made))


def _ask_network(subject: Loaded, project: Project, options: Options) -> Report:
    from modnet.handout import MSELoss

    return check_network(_network(subject.cls, _right_layers(subject, project)), MSELoss(), *_data())


def _ask_optim(subject: Loaded, project: Project, options: Options) -> Report:
    from modnet.handout import MSELoss, Sequentiel

    right, networks = _right_layers(subject, project), project.of("network", near=subject)
    broken = [n.name for n in networks if project.is_wrong(n)]
    if broken:  # its steps would be judged by a network that is wrong
        report = Report(subject.name)
        report.verdict("step", right=None, remark=f"{broken[0]} first")
        return report
    net = _network(networks[0].cls, right) if networks else Sequentiel(*_layers(right))
    mse = MSELoss()
    made = call(f"{subject.name}(net, loss, eps)", lambda: subject.cls(net, mse, 0.01))
    return check_steps(net, mse, made, *_data())


def _right_layers(subject: Loaded, project: Project) -> list[type]:
    """The modules of the hand-in in which nothing was found: a network is not blamed for its layers."""
    return [m.cls for m in project.of("module", near=subject) if not project.is_wrong(m)]


_SHAPES = {2: [(4, 3), (2, 8, 2), (2, 7, 7, 2), (2, 8, 1)], 3: [(2, 8, 2), (2, 7, 7, 2), (4, 3)]}
_ARGUMENTS: tuple[tuple[Any, ...], ...] = ((), (3,), (3, 2), (0.5,), (3, 2, 4, 2), (2, 2, 0))


def build(cls: type) -> Any:
    """An object of a module's class by the handout's signatures; a `Misbehaviour` if no arguments are known to fit."""
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    names = known.roles(cls) or {}
    sizes: dict[str, Any] = {"k_size": 3, "chan_in": 2, "chan_out": 4, "stride": 2, "input": 3, "output": 2, "features": 3}
    required = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if names and len(required) <= len(names):
        return call(f"{cls.__name__}(...)", lambda: known.build(cls, **sizes))
    last: Misbehaviour | None = None
    for arguments in _ARGUMENTS:
        if len(arguments) < len(required) or (not required and arguments):
            continue
        try:
            return call(f"{cls.__name__}{arguments}", cls, *arguments)
        except Misbehaviour as problem:
            last = last or problem
    raise last or Misbehaviour(
        "crash", f"{cls.__name__} takes arguments that are not the handout's, give an example with --make"
    )


def input_for(module: Any) -> tuple[int, ...]:
    """A shape that the module takes."""
    name = type(module).__name__.lower()
    windows = "conv" in name or "pool" in name or "flat" in name
    shapes = [(2, 7, 7, 2), *_SHAPES[3]] if "2d" in name else _SHAPES[3 if windows else 2]
    for shape in shapes:
        try:
            x = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
            as_output(call("forward", module.forward, x), "forward", len(x))
            return shape
        except Misbehaviour:
            continue
    return shapes[0]


def loss_data(loss: Any) -> tuple[np.ndarray, np.ndarray]:
    """y and yhat that a loss takes: tried, for one name has several meanings."""
    rng = np.random.default_rng(0)
    labels, scores = np.array([0, 2, 1, 2]), rng.normal(size=(4, 3))
    onehot, probabilities = np.eye(3)[labels], rng.dirichlet(np.ones(3) * 2, 4)
    numbers = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    binary = (rng.random((4, 2)) > 0.5) * 1.0, rng.uniform(0.1, 0.9, (4, 2))
    name = type(loss).__name__.lower()

    def losses(y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(call("forward", loss.forward, y.copy(), yhat.copy()), np.float64)
        except (Misbehaviour, TypeError, ValueError):
            return np.empty(0)

    if re.search("bce|bin", name):
        return binary
    if re.search("hinge|perceptron|marg", name):
        return np.sign(numbers[0]), numbers[1]
    if re.search("ce|cross|nll|entrop|log|soft", name):
        for y in (onehot, labels):
            found = losses(y, probabilities)
            log_p = -np.log(probabilities[np.arange(4), labels])
            if found.size and (
                (found.shape == (4,) and np.allclose(found, log_p, rtol=0.05))
                or (found.size == 1 and np.isclose(found.sum(), [log_p.sum(), log_p.mean()], rtol=0.05).any())
            ):
                return y, probabilities
        for y in (labels, onehot):
            found = losses(y, scores)
            if found.shape == (4,) and np.isfinite(found).all():
                return y, scores
        for y in (onehot, labels):
            if losses(y, probabilities).size:
                return y, probabilities
    return numbers


def _layers(modules: list[type]) -> list[Any]:
    """A Linear, an activation and a Linear: the student's own if they work, else the library's."""
    from modnet import handout

    own = {known.plain_name(cls): cls for cls in reversed(modules)}
    made: list[Any] = []
    for name, arguments in (("linear", (3, 4)), ("tanh", ()), ("linear", (4, 2))):
        np.random.seed(len(made))  # noqa: NPY002
        try:
            made.append(call(name, own[name], *arguments))
        except (KeyError, Misbehaviour):
            made.append({"linear": handout.Linear, "tanh": handout.TanH}[name](*arguments))
    return made


def _network(cls: type, modules: list[type]) -> Any:
    last: Misbehaviour | None = None
    for arrange in (lambda ms: cls(*ms), lambda ms: cls(list(ms)), lambda ms: _added(cls, ms)):
        try:
            net = call(cls.__name__, arrange, _layers(modules))
            as_output(call("forward", net.forward, np.ones((2, 3))), "forward", 2)
            return net
        except Misbehaviour as problem:
            last = last or problem
    raise last or Misbehaviour("crash", cls.__name__)


def _added(cls: type, layers: list[Any]) -> Any:
    net = cls()
    add: Callable[[Any], Any] = next(
        getattr(net, n) for n in ("add", "append", "add_module", "ajouter", "insert") if hasattr(net, n)
    )
    for layer in layers:
        add(layer)
    return net


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
