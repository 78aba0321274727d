"""Networks and optimizers of a hand-in, put together from its own classes, or from stand-ins, and examined."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.building.constructors import build, roles_of
from modnet.check.modules.check import as_input
from modnet.check.networks import standins, wiring
from modnet.check.networks.contract import examine_chain
from modnet.check.networks.layers import last_output, layers_of
from modnet.check.networks.steps import check_steps, row_of_step
from modnet.check.reading.arguments import NotBuilt, called_as
from modnet.check.reading.definitions import plain_name
from modnet.check.reading.lines import source
from modnet.check.reading.vocabulary import ADDS, first_method
from modnet.check.report import Report, not_checked
from modnet.check.styles.adapters import subject_of

_RATE = 0.01
#: Findings that may be about what was put in rather than about the class.
_OF_WHAT_WAS_PUT_IN = ("crash", "unknown", "shape", "not-implemented", "signature")
_HELD = re.compile(r"layer|modul|couche", re.I)


def _role(cls: type, name: str) -> str:
    """What an argument of a constructor is, by its name, or by that of the attribute that keeps it: self.modules = m."""
    kept = (re.match(rf"self\.(\w+)\s*=\s*{name}\b\s*$", text) for _, text in source(cls, "__init__"))
    return wiring.role(name) or next((role for found in kept if found and (role := wiring.role(found[1]))), "")


class Workshop:
    """What networks and optimizers of a hand-in are put together from: its own classes, or stand-ins.

    Parameters
    ----------
    modules, losses, networks : the hand-in's classes. wrong : those of them in which something was found.
    bases : its base classes, for code that asks isinstance.
    """

    def __init__(
        self,
        modules: Sequence[type] = (),
        losses: Sequence[type] = (),
        networks: Sequence[type] = (),
        wrong: Collection[type] = (),
        bases: Sequence[type] = (),
    ) -> None:
        self.modules, self.networks, self.wrong = sorted(modules, key=lambda c: c in wrong), networks, wrong
        above = dict.fromkeys(b for cls in modules for b in cls.__mro__[1:-1])
        self.bases = [*bases, *above]
        squared = [c for c in losses if c not in wrong and re.search("mse|square|quadra", c.__name__, re.I)]
        self.losses = [c for c in squared if callable(getattr(c, "forward", None))]
        self.own = True  # whether layers are the hand-in's own
        self.used: set[type] = set()

    @property
    def right(self) -> bool:
        """Whether nothing was found in the layers that were used."""
        return not any(cls in self.wrong for cls in self.used)

    def _layer(self, name: str, *sizes: int) -> Any:
        """A layer of the hand-in of this name, or a stand-in."""
        for cls in self.modules if self.own else ():
            if plain_name(cls) == name:
                with suppress(Misbehaviour, NotBuilt):
                    made = build(cls, None, input=sizes[0], output=sizes[-1])
                    out = subject_of(made, as_input((2, sizes[0]))).forward(as_input((2, sizes[0])))
                    if out.shape == (2, sizes[-1]):
                        self.used.add(cls)
                        return made
        kind = {"linear": standins.Linear, "tanh": standins.Tanh}[name]
        made = standins.derived(kind, self.bases)(*(sizes if name == "linear" else ()))
        if name == "linear":
            made._parameters = standins.Linear(sizes[0], sizes[1], sum(sizes))._parameters
        return made

    def layers(self, *widths: int) -> list[Any]:
        """Linear and tanh layers of these widths, the last without a tanh."""
        made: list[Any] = []
        for n, m in pairwise(widths):
            made += [self._layer("linear", n, m), self._layer("tanh", m, m)]
        return made[:-1]

    def loss_class(self) -> type:
        """A squared error's class: the hand-in's own if it is right, or a stand-in."""
        return next(iter(self.losses), None) or standins.loss_class(self.bases)

    def loss(self) -> Any:
        """One of it."""
        return self.loss_class()()

    # --- networks

    def network(self, cls: type) -> Any:
        """A network of this class, of a linear layer, a tanh and a linear one; `NotBuilt` says which attempt came closest."""
        closest: Misbehaviour | None = None
        for arrange in self._arrangements(cls):
            try:
                net = call(f"{cls.__name__}(...)", arrange)
                out = _output(net, np.linspace(-1, 1, 6).reshape(2, 3))
                if out.ndim == 2 and len(out) == 2:
                    return net
            except Misbehaviour as problem:
                closest = problem if closest is None or problem.line else closest
            except (TypeError, AttributeError, ValueError):
                continue
        why = f": the closest attempt: {closest.message}" if closest is not None else ""
        raise NotBuilt(f"{called_as(cls)} could not be wired{why}; check_network checks one that you build")

    def _arrangements(self, cls: type) -> Iterator[Callable[[], Any]]:
        """Ways to put one together, by what its constructor asks for."""
        layers, plain = partial(self.layers, 3, 4, 2), self._plain
        roles: dict[str, Callable[[], Any]] = {
            "modules": layers, "net": lambda: plain(3, 4, 2), "encoder": lambda: plain(3, 4, 2),
            "decoder": lambda: plain(2, 4, 3), "loss": self.loss, "rate": lambda: _RATE,
        }  # fmt: skip
        given = [p for p in inspect.signature(cls).parameters.values() if p.kind is not p.VAR_KEYWORD]
        several = any(p.kind is p.VAR_POSITIONAL for p in given)
        required = [p for p in given if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
        kinds = [_role(cls, p.name) for p in required]
        known_to = all(k in roles for k in kinds)
        holds = next((p.name for p in given if p.default is not p.empty and _role(cls, p.name) == "modules"), "")
        if holds and known_to:
            yield lambda: cls(*[roles[k]() for k in kinds], **{holds: layers()})
        if several and known_to:
            yield lambda: cls(*[roles[k]() for k in kinds], *layers())
        if several:
            yield lambda: cls(layers())
            yield lambda: cls(*layers()[:2])  # the half that is given, if it mirrors it
        if known_to:
            yield lambda: self._added(cls(*[roles[k]() for k in kinds]), "modules" in kinds or "encoder" in kinds)
        sizes = {n: r.split()[0] for r, n in (roles_of(cls) or {}).items()}
        if required and all(p.name in sizes for p in required):
            widths = {"input": 3, "output": 2}
            yield lambda: cls(*[4 if "hid" in p.name.lower() else widths.get(sizes[p.name], 4) for p in required])

    def _plain(self, *widths: int) -> Any:
        return standins.derived(standins.Sequential, self.bases)(*self.layers(*widths))

    def _added(self, net: Any, full: bool) -> Any:
        """The network with its layers added one by one, if it was made without."""
        if full:
            return net
        add = first_method(net, ADDS)
        if add and layers_of(net)[0] is net:
            for layer in self.layers(3, 4, 2):
                getattr(net, add)(layer)
        lists = [v for n, v in vars(net).items() if isinstance(v, list) and not v and _HELD.search(n)]
        if lists and layers_of(net)[0] is net:
            lists[0] += self.layers(3, 4, 2)  # whoever uses it fills its list
        return net

    def examine_network(self, cls: type) -> Report:
        """The report on a network's class: with the hand-in's own layers, or with stand-ins if those do not work together."""
        tried: list[Report] = []
        cls = wiring.aliased(cls)
        for self.own in (True, False):
            self.used.clear()
            try:
                net = self.network(cls)
                x, y, out = _data(net)
            except (NotBuilt, Misbehaviour) as problem:
                tried.append(not_checked(cls.__name__, str(problem)))
                continue
            y = y if out.shape == x.shape else np.random.default_rng(2).normal(size=out.shape)
            report = examine_chain(net, wiring.held_loss(net) or standins.loss_class(self.bases)(), x, y, self.right)
            if not any(f.kind in _OF_WHAT_WAS_PUT_IN for f in report.findings) and _says_something(report):
                return report
            tried.append(report)
        own = next((report for report in tried if report.findings and self._own_line(cls, report)), None)
        best = own or next((t for t in tried if t.findings), tried[0])
        if own is not None or not best.findings:
            return best
        return not_checked(
            cls.__name__, f"the closest attempt: {best.findings[0].message} check_network checks one that you build"
        )

    def _own_line(self, cls: type, report: Report) -> bool:
        """Whether a finding is about a line of the class itself, or a method that it lacks."""
        finding = report.findings[0]
        if finding.kind == "unknown":
            return False
        missing = re.search(r"'(\w+)' object has no attribute", finding.message)
        if missing and missing[1] != cls.__name__:
            return False  # what was put in lacks it
        number = re.match(r"line (\d+)", finding.line)
        if number is None:
            lacks = re.search(" has no | does nothing", finding.message)
            raises = "NotImplementedError" in str([source(cls, n) for n in vars(cls)])
            return finding.kind == "not-implemented" and (raises or lacks is not None)
        methods = [source(cls, n) for n in dir(cls) if callable(getattr(cls, n, None)) and not n.startswith("__")]
        return any(lines and lines[0][0] <= int(number[1]) <= lines[-1][0] for lines in methods)

    # --- optimizers

    def examine_optim(self, cls: type) -> Report:
        """The report on an optimizer's class, with the hand-in's own network if one works.

        With a network or layers in which something was found, only that is said which a right network shows, too.
        """
        tried: list[Report] = []
        stepped: list[tuple[bool, Report]] = []  # with a network of the hand-in or a stand-in, right or not
        for net, loss, right in self._pairs():
            try:
                x, y, _ = _data(net)
                made = call(f"{cls.__name__}(...)", self._optimizer(cls, net, loss, x, y))
            except (Misbehaviour, NotBuilt) as problem:
                tried.append(not_checked(cls.__name__, str(problem)))
                continue
            report = check_steps(net, loss() if isinstance(loss, type) else loss, made, x, y)
            if any(f.kind in _OF_WHAT_WAS_PUT_IN for f in report.findings):
                tried += [report] if not isinstance(loss, type) else []
                continue
            if right or (report.ok and _says_something(report)):
                return report
            stepped += [(type(net) in self.networks, report)] if not report.ok else []
            own = self.networks[0].__name__ if self.networks else "the network"
            tried.append(not_checked(cls.__name__, f"mend {own} and its layers first"))
        if not tried:
            return not_checked(cls.__name__, "no network to step with")
        if tried[0].findings and self._own_line(cls, tried[0]):
            return tried[0]
        # What it does wrong with each of its own networks, wrong as they are, and with a right one, is its own mistake.
        common = set.intersection(*(_kinds(report) for _, report in stepped)) if stepped else set()
        if common and {own for own, _ in stepped} == {True, False}:
            return _only(common, stepped[-1][1])
        after_others = next((t for t in tried if not t.findings and t.verdicts[0][2].endswith("first")), None)
        best = after_others or next((t for t in tried if t.findings), tried[0])
        if best is after_others:
            return best
        why = best.findings[0].message if best.findings else best.verdicts[0][2]
        return not_checked(
            cls.__name__, f"no step could be taken; the closest attempt: {why} check_steps checks one that you build"
        )

    def _pairs(self) -> Iterator[tuple[Any, Any, bool]]:
        """Networks and losses to try, the hand-in's own first, and whether they are right; a loss as object and class."""
        for network in (*self.networks, None):
            for self.own in (True, False):
                for loss in dict.fromkeys((self.loss_class(), standins.MSELoss)):
                    for given in (loss(), loss):
                        self.used.clear()
                        try:
                            net = self.network(network) if network is not None else self._plain(3, 4, 2)
                        except (NotBuilt, Misbehaviour):
                            break
                        # A stand-in may leave to the optimizer what the hand-in's own network does itself.
                        own = network is not None or not self.networks
                        yield net, given, self.right and own and network not in self.wrong

    def _optimizer(self, cls: type, net: Any, loss: Any, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
        roles = {"net": net, "modules": net, "loss": loss, "rate": _RATE, "X": x, "y": y}
        arguments = wiring.filled(cls, roles, (("net", "loss", "rate"), ("net", "loss"), ("net", "rate")))
        if arguments is None:
            raise NotBuilt(f"{called_as(cls)}: what its arguments mean is not known")
        return lambda: cls(*arguments)


def _kinds(report: Report) -> set[tuple[str, str]]:
    return {(f.kind, f.where) for f in report.findings}


def _only(kinds: set[tuple[str, str]], report: Report) -> Report:
    """The report with these findings alone."""
    report.findings = [f for f in report.findings if (f.kind, f.where) in kinds]
    row_of_step(report)
    return report


def _says_something(report: Report) -> bool:
    return any(verdict != "not checked" for _, verdict, _ in report.verdicts)


def _output(net: Any, x: np.ndarray) -> np.ndarray:
    """What a network gives; it may keep what it is given."""
    return last_output(call(f"{type(net).__name__}.forward", copied(net).forward, x.copy()), x, len(layers_of(net)))


def _data(net: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples, their truth and the network's output; the truth of one whose output is like its input is the input."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    out = _output(net, x)
    return x, x.copy() if out.shape == x.shape else y, out
