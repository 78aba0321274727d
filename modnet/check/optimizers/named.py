"""Optimizers of other courses and books: some steps on parameters of our own, and the rule that moves them so.

How one is called is found out from its methods:

* ``update(params, grads)`` with dicts or lists that are alike, changed in place;
* ``update_params(layer)`` or ``update(layer)``, with ``pre_update_params()`` and ``post_update_params()`` around the layers;
* ``step()``, of one that was given a model with ``layers``;
* ``update(w, dw)``, and functions ``sgd_momentum(w, dw, config) -> (w, config)``: of one parameter, returned or in place;
* functions ``update_parameters_with_adam(parameters, grads, v, s, t, learning_rate) -> (parameters, v, s)``.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.numeric import factor_of
from modnet.check.optimizers.holders import Model
from modnet.check.optimizers.rules import RIGHT, Fit, adam, fitting
from modnet.check.optimizers.steppers import (
    RATE,
    STEPS,
    Setting,
    Way,
    meant,
    method_of,
    number,
    preparations_of,
    roles_in,
    ways_of,
)
from modnet.check.reading.arguments import NotBuilt, asks
from modnet.check.reading.lines import quote, text_of
from modnet.check.reading.vocabulary import is_rate, meaning_of
from modnet.check.report import Finding, Report

_EVERY = [(a, b) for a in (0.9, 0.99, 0.95, 0.8, 0.5) for b in (0.999, 0.99)]
_FAMILIES = (
    ("nadam", r"nadam|nesterov_?adam"),
    ("adam", r"adam(?!ax)"),
    ("rmsprop", r"rms"),
    ("adagrad", r"ada_?grad"),
    ("nesterov", r"nesterov|nag\b|^nag"),
    ("momentum", r"moment"),
    ("sgd", r"sgd|gradient_?descent|vanilla|(^|_)gd$"),
)
_TWO_NUMBERS = ("adam", "nadam")
_DECAYS = re.compile(r"weight_?decay|wd$|l[12](_|$)|lambd|reg", re.I)
_ALL = re.compile("param|weights|grad", re.I)
_GRADIENT = re.compile(r"grad|nabla|^gs?$|^d_?(l_?d_?)?(w\w*|x|v|p|theta|var|params?)$", re.I)
_STEPS_BY_NAME = re.compile("update|step|optimi", re.I)
_OTHERS = re.compile(r"adadelta|adamax|adabound|lion|lars|lamb|lookahead|radam|amsgrad|normali[sz]ed|sign", re.I)


def family_of(name: str) -> str:
    """Which rule an optimizer of this name has; empty if the name does not say it."""
    word = name.lower()
    if _OTHERS.search(word):
        return ""
    return next((family for family, pattern in _FAMILIES if re.search(pattern, word)), "")


def is_optimizer(cls: type) -> bool:
    """Whether a class is an optimizer of one of these styles, and not of the contract's, whose step is given a batch."""
    if callable(getattr(cls, "forward", None)) or inspect.isabstract(cls):
        return False
    name = method_of(cls)
    made, asked = asks(cls, by_name=True), asks(getattr(cls, name or "__init__"), by_name=True)
    roles = {role for n in (name, *preparations_of(cls)) if n for role in roles_in(getattr(cls, n)).values()}
    if not any(map(is_held, made)) and not roles & {"layer", "layers", "model", "param", "grad"}:
        return False
    if any(p.default is p.empty and meaning_of(p.name, ("loss", "X", "y")) for p in made):
        return False  # of the contract
    rated = family_of(cls.__name__) or any(is_rate(p.name) for p in (*made, *asked))
    if name in ("update_params", "step", "update"):
        return name == "update_params" or bool(rated)
    return bool(name and rated) and any(re.search("optim", k.__name__, re.I) or family_of(k.__name__) for k in cls.__mro__)


def is_rule(function: Any) -> bool:
    """Whether a function takes a step: ``(w, dw, config) -> (w, config)``, or ``(parameters, grads, ...)`` with a rate."""
    names = [p.name.lower() for p in asks(function)]
    if len(names) == 3 and names[2] in ("config", "cfg", "conf"):
        return re.match(r"d_?[wx]|g$|grad|dtheta", names[1]) is not None
    meanings = roles_in(function)
    roles = ["param" if role == "model" else role for role in meanings.values()]
    once = all(roles.count(role) == 1 for role in ("param", "grad")) and roles.count("rate") + roles.count("config") == 1
    if not once or not set(roles) <= {"param", "grad", "rate", "config", "state", "memory", "count", "number", "guard"}:
        return False
    named = _STEPS_BY_NAME.search(function.__name__) or family_of(function.__name__)
    gradient = next(name for name, role in meanings.items() if role == "grad")
    return all(map(_ALL.search, names[:2])) or bool(named and _GRADIENT.search(gradient))


class _Maker:
    """Makes optimizers of a class, with numbers away from the defaults, so that one that has no effect shows."""

    def __init__(
        self, cls: Any, like: Any = None, network: type = object, ready: Sequence[str] = (), **given: Any
    ) -> None:
        self.like, self.network, self.ready = like, network, ready
        self.cls, self.options = cls, given
        self.shared = [v for k in cls.__mro__[:-1] for v in vars(k).values() if isinstance(v, dict | list)]
        self.first = copy.deepcopy(self.shared)
        self.family = family_of(cls.__name__)
        self.numbers: dict[str, float] = {}  # those of the rule that the last one was given

    def __call__(self, moved: Any = None) -> Any:
        """One that is given the model, the layers or the parameters that it is to move, if it asks for them."""
        for held, first in zip(self.shared, self.first, strict=True):  # what belongs to the class, as if nothing had been
            held.clear()
            held.update(first) if isinstance(held, dict) else held.extend(first)
        if self.like is not None:
            return copy.deepcopy(self.like)
        arguments: dict[str, Any] = {}
        self.numbers, rated = {}, _is_given_rate(self.cls)
        for p in asks(self.cls, by_name=True):
            if p.name in self.options:
                arguments[p.name] = self.options[p.name]
            elif moved is not None and (what := meant(p.name)) in moved and is_held(p):
                arguments[p.name] = moved[what]
            elif re.search("nesterov", p.name, re.I) and isinstance(p.default, bool):
                arguments[p.name] = self.family == "nesterov"
            elif is_rate(p.name) and not (rated and number(p.name)):  # alpha beside a rate is another number
                arguments[p.name] = RATE
            elif _DECAYS.match(p.name) and isinstance(p.default, int | float):
                arguments[p.name] = type(p.default)(0)
            elif (value := number(p.name)) is not None and not isinstance(p.default, bool) and self._meant(p):
                value = ("b", 0.9) if "a" in self.numbers and self.family in _TWO_NUMBERS else value  # such as mu and rho
                arguments[p.name] = value[1]
                self.numbers.setdefault(*value)
            elif p.default is p.empty and meant(p.name) == "guard":
                arguments[p.name] = 1e-8
            elif p.default is p.empty and re.fullmatch(r"((lr|learning_rate|rate)_)?decay", p.name):
                arguments[p.name] = 0.0
            elif p.default is p.empty and re.match(r"n_?[A-Z]|n_\w|\w*(inputs?|outputs?|size|dim|features|units)$", p.name):
                arguments[p.name] = 3  # as wide as its layers
            elif p.default is p.empty:
                raise Misbehaviour("unknown", f"{self.cls.__name__}: what {p.name} means is not known")
        return call(f"{self.cls.__name__}(...)", lambda: self.cls(**arguments))

    def _meant(self, p: inspect.Parameter) -> bool:
        """Whether an argument is a number of this rule's: SGD's momentum of 0 stays so, and a decay is another thing."""
        if p.name.lower() == "decay":
            return p.default is p.empty and self.family == "rmsprop"
        if (p.default is not p.empty and not isinstance(p.default, int | float)):
            return False
        return self.family != "sgd" or p.default is p.empty


def is_held(p: inspect.Parameter) -> bool:
    """Whether an argument of a constructor is what the optimizer is to move, and not one of its numbers."""
    return meant(p.name) in ("model", "layers", "param") and (p.default is p.empty or p.default is None)


def _ways(cls: type) -> list[Way]:
    return ways_of(cls, [meant(p.name) for p in asks(cls, by_name=True) if is_held(p)])


def check_update(optimizer: Any) -> Report:
    """Check an optimizer of another style against the rule of its name: SGD, momentum, Nesterov, AdaGrad, RMSProp, Adam.

    It takes some steps on parameters of its own, two layers with a matrix and a bias each. What differs between courses, such
    as a velocity that is an average, or a guard under the root, is no mistake.

    Parameters
    ----------
    optimizer : a class, an object, or a function ``(w, dw, config) -> (w, config)``. It has ``update(params, grads)``,
        ``update_params(layer)``, ``update(layer)``, ``update(w, dw)``, or ``step()``: then a class, which is given a model.

    Returns
    -------
    report : see `Report`.

    Raises
    ------
    TypeError : if it has none of these.
    """
    if inspect.isfunction(optimizer):
        if not is_rule(optimizer):
            raise TypeError(f"check_update: {optimizer.__name__} takes other arguments than (w, dw, config)")
        return examine_rule(optimizer)
    cls = optimizer if isinstance(optimizer, type) else type(optimizer)
    if not method_of(cls):
        raise TypeError(f"check_update: {cls.__name__} has neither update, update_params nor step that takes known arguments")
    if cls is not optimizer and any(is_held(p) for p in asks(cls, by_name=True)):
        raise TypeError(
            f"check_update: step() moves what {cls.__name__} was given; expected the class, which is then given a model"
        )
    return examine_optimizer(cls, None if cls is optimizer else optimizer)


def examine_optimizer(cls: type, like: Any = None, networks: Iterable[type] = (), layers: Iterable[type] = ()) -> Report:
    """The report on an optimizer's class, or on an object: whether its steps are those of the rule that it is named after.

    Parameters
    ----------
    networks : the author's: the model that it is given has the methods of the one that it asks something of.
    layers : the author's: what they have ready for it, zeros to begin with, the layers that it is given have too.
    """
    asked = _names_in(cls) - set(dir(Model))
    network = next((n for n in networks if any(name in vars(k) for k in n.__mro__[:-1] for name in asked)), object)
    texts = [text_of(c) for c in layers]
    ready = [n for n in sorted(_names_in(cls)) if any(re.search(rf"self\.{n}\b.*=.*zeros", text) for text in texts)]
    maker = _Maker(cls, like, network, ready)
    report = Report(f"{cls.__name__}, {STEPS} steps on two layers")
    method, problem = method_of(cls), None
    way: Way | None = None
    most = -1
    for candidate in _ways(cls):
        try:
            tried = _run(maker, candidate, method, 2)
            reached = sum(bool(m.any()) for m in tried.moves.values())
            if reached > most:  # one array's rows may pass for a layer's parameters: the way in which most of them move
                together, way, most = tried, candidate, reached
            if reached == len(tried.moves):
                break
        except Misbehaviour as raised:
            problem = problem or raised
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            continue
    where = cls.__name__ if issubclass(cls, _Rule) else f"{cls.__name__}.{method}"
    if way is None:
        if problem is not None and problem.line and _own(problem, cls):
            report.findings.append(Finding(problem.kind, where, problem.message + ".", problem.hint, line=problem.line))
        report.verdict(
            "a step", right=False if report.findings else None, remark=problem.message if problem else "no step could be taken"
        )
        return report

    def say(mistakes: Iterable[Mistake], row: str = "a step", label: str = "") -> None:
        for kind, message, hint in mistakes:
            report.findings.append(Finding(kind, where, label + message, hint, line=line))
            report.verdict(row, right=False, remark=kind)

    line = quote(cls, method, r"-=|\+=|= .*-|set_params|setattr")
    try:
        made = None if issubclass(cls, _Rule) else maker(together.whole)
        rule, mistakes = _of_steps(cls.__name__, partial(_run, maker, way, method), made, maker.numbers)
        say(mistakes)
        if report.ok:
            report.verdict("the rule", remark=rule)
            report.verdict("each parameter by itself")
        if counts := [n for n, role in roles_in(getattr(cls, method)).items() if role == "count" and method.startswith("_")]:
            text = f"{where} was given {counts[0]} = 1, 2, ... here; whether what calls it counts steps was not looked at"
            report.verdict("its count", right=None, remark=text)
    except NotBuilt as unknown:
        report.verdict("the rule", right=None, remark=str(unknown))
    if way.pack in ("dict", "list") and not issubclass(cls, _Rule) and together.replaced and not together.returned:
        report.notes.append(
            "it puts new arrays into params. Layers that were given the old ones, as Affine(params['W1'], params['b1']), "
            "go on with those: params[key] -= ... changes them in place."
        )
    if like is None and [len(held) for held in maker.shared] != [len(first) for first in maker.first]:
        text = "what it keeps belongs to the class, so a second optimizer goes on with it."
        say([("shared-state", text, "self.cache = {} in __init__")], "of its own")
    if report.ok and maker.family == "sgd" and way.pack != "holding":
        say(_decayed_by_layers(partial(_run, maker, way, method, 1)), label="if a layer has a decay of its weights: ")
    for name, value, what in _options(cls) if like is None else ():
        if report.ok:
            rule, mistakes = _with(_Maker(cls, None, network, ready, **{name: value}), value, what, way, method)
            say(mistakes, label=f"with {name}={value}: ")
            if rule:
                report.verdict(f"with {name}={value}", remark=rule)
    for finding in report.findings:
        finding.locate(cls)
    return report


def _own(problem: Misbehaviour, cls: type) -> bool:
    """Whether a crash is the author's: a name of their own that is not there, or an attribute that no method sets."""
    lacks = re.search(rf"'{cls.__name__}' object has no attribute '(\w+)'", problem.message)
    others = {n: v for k in cls.__mro__[-2::-1] for n, v in vars(k).items() if n not in ("__init__", method_of(cls))}
    texts = [text_of(v) for v in others.values() if inspect.isfunction(v)]
    if lacks and any(re.search(rf"self\.{lacks[1]}\b[^=\n]*=[^=]", text) for text in texts):
        return False  # by a method that was to be called first
    return bool(lacks or re.search("NameError|UnboundLocalError", problem.message))


def _run(maker: Any, way: Way, method: str, layers: int, zeros: bool = False, decay: float = 0.0) -> Setting:
    setting = Setting(layers, zeros, decay)
    setting.bases, setting.network, setting.ready = _layers_asked_for(getattr(maker, "cls", None)), maker.network, maker.ready
    setting.take(maker, way, method)
    return setting


def _names_in(cls: type) -> set[str]:
    """The names of what the methods of a class ask for."""
    held = [v for k in cls.__mro__[:-1] for v in vars(k).values() if inspect.isfunction(v)]
    return {name for function in held for name in function.__code__.co_names}


def _layers_asked_for(cls: Any) -> tuple[type, ...]:
    """The classes of layers that an optimizer asks isinstance for."""
    functions = [v for k in getattr(cls, "__mro__", ()) for v in vars(k).values() if inspect.isfunction(v)]
    asking = [f for f in functions if "isinstance" in f.__code__.co_names]
    found = dict.fromkeys(c for f in asking for c in _classes_named(f) if callable(getattr(c, "backward", None)))
    built = [c for c in found if not inspect.isabstract(c)]
    return tuple(c for c in built if not any(c is not other and issubclass(other, c) for other in built))


def _classes_named(function: Any) -> Iterator[type]:
    """The classes that a function names, by themselves or as layers.Linear."""
    names = function.__code__.co_names
    held = [function.__globals__[n] for n in names if n in function.__globals__]
    for value in held:  # grows: what a module holds under one of these names is looked at, too
        if isinstance(value, type):
            yield value
        elif inspect.ismodule(value) and len(held) < 1000:
            held += [vars(value)[n] for n in names if n in vars(value)]


def examine_rule(function: Any) -> Report:
    """The report on a function (w, dw, config) -> (w, config)."""
    return examine_optimizer(type(function.__name__, (_Rule,), {"update": staticmethod(function)}))


class _Rule:
    """An optimizer that is one function."""


#: What is wrong: its kind, a message and a hint.
Mistake = tuple[str, str, str]


def _is_given_rate(cls: Any) -> bool:
    """Whether a step is given its rate."""
    return any(is_rate(p.name) for p in asks(getattr(cls, method_of(cls) or "update", None)))


def _of_steps(
    name: str, run: Callable[..., Setting], made: Any, given: dict[str, float] | None = None
) -> tuple[str, list[Mistake]]:
    """The rule that the steps have, and what is wrong with them, the first cause alone. `NotBuilt` if no rule is known.

    Parameters
    ----------
    given : the numbers of the rule that the constructor was given, "a" and "b".
    """
    family, rate = family_of(name), _rate_of(made)
    if family == "sgd" and any(re.match("mom|mu$", n) and v for n, v in getattr(made, "__dict__", {}).items()):
        family = "momentum"
    together = run(2)
    alone = _alone(run) or together
    still = [n for n, m in together.moves.items() if not m.any()]
    if still and together.lacks:
        asked = ", ".join(together.lacks)
        raise NotBuilt(f"{', '.join(still)} did not move, but it asks for {asked}, of which nothing is known")
    if len(still) == len(together.moves):
        if not family:
            raise NotBuilt("no parameter has moved, and its name says no rule that is known here")
        text = "after a step no parameter has moved, though no gradient is zero."
        hint = "w -= rate * g changes an array in place; w = w - rate * g makes another"
        return "", [("layer-not-trained", text, hint)]
    if still and family:
        text = f"{', '.join(still)} of two layers does not move, though no gradient is zero."
        return "", [("layer-not-trained", text, "the loop: does it reach every layer, and the bias?")]
    numbers = alone.numbers if made is None else {}
    given = given or ({"a": next(iter(numbers.values()))} if len(numbers) == 1 else numbers)
    values, found = _values(made, family, given), None
    ahead = family == "nesterov" and alone.ahead["W1"].any()
    for one in ["momentum" if ahead else family] if family else list(RIGHT):
        found = _fit(one, alone, "W1", values, rate)
        if found is not None and (family or found.mistake is None):
            break
        found = found if family else None
    if found is None:
        return "", [_unfit(family, alone, values, rate)]
    if ahead and (mistakes := list(_looks_ahead(found, alone))):
        return "", mistakes
    wrong = (
        list(_of_fit(found, rate, made, family, given or {}))
        or list(_beside_another(family, alone, together, values))
        or list(_of_others(_family(found) if ahead else family or _family(found), together, values))
        or list(_zeros(partial(run, alone.layers)))
    )
    if alone.writes or together.writes:
        text = "a step writes into the gradients, which belong to the layers."
        wrong.append(("mutates", text, "g = g + ..., not g += ..."))
    return "Nesterov's, for gradients of the point ahead" if ahead else found.label, wrong


def _looks_ahead(found: Fit, s: Setting) -> Iterator[Mistake]:
    """A Nesterov step that goes ahead first, for a gradient of there: by a times its last step."""
    wanted, gone = found.a * s.moves["W1"][:-1], s.ahead["W1"][1:]
    if found.mistake is None and not np.allclose(gone, wanted, rtol=1e-5, atol=1e-9):
        factor = factor_of(gone, wanted)
        times = f", {factor:.4g} times that of the next step" if np.allclose(gone, factor * wanted, rtol=1e-5) else ""
        text = f"before a step it goes ahead another way than the velocity will{times}."
        hint = "ahead by momentum * v, with the v that the last step moved by, the rate included"
        yield "sign" if factor < 0 else "scale", text, hint


def _alone(run: Callable[..., Setting]) -> Setting | None:
    """The steps of one layer; None if it was written for more, parameters["W2"]."""
    try:
        return run(1)
    except Misbehaviour as problem:
        if "KeyError" not in problem.message:
            raise
    return None


def _beside_another(family: str, alone: Setting, together: Setting, values: list[tuple[float, float]]) -> Iterator[Mistake]:
    """A layer that moves otherwise when there is another beside it."""
    if not _same(alone, together):
        text = "what it keeps is shared: a parameter moves otherwise when there is another layer beside it."
        hint = "one array for each parameter of each layer, by a key that tells them apart"
        yield _counted(family, together, values) or ("shared-state", text, hint)


def _of_others(family: str, together: Setting, values: list[tuple[float, float]]) -> Iterator[Mistake]:
    """Other parameters than the first, which move by another rule."""
    fits = {n: _fit(family, together, n, values) for n in together.moves}
    others, first = [n for n, fit in fits.items() if fit is None], fits["W1"]
    if others:
        text = f"{', '.join(others)} moves by another rule than W1."
        yield "direction", text, "the same lines for weights and biases"
    elif first is not None:
        far = [(n, fit.rate / first.rate) for n, fit in fits.items() if fit and abs(fit.rate / first.rate - 1) > 1e-4]
        for n, times in far[:1]:
            text = f"{n} moves by {times:.4g} times the rate." if times > 0 else f"{n} moves along its gradient."
            yield "sign" if times < 0 else "scale", text, "the same lines for weights and biases"


def _unfit(family: str, s: Setting, values: list[tuple[float, float]], rate: float | None) -> Mistake:
    """What is wrong with steps that are those of no rule, right or wrong in a known way."""
    if family in ("", "nadam"):  # of NAdam there are more forms than are known here
        raise NotBuilt("its steps are those of no rule that is known here")
    if counted := _counted(family, s, values):
        return counted
    moves = s.moves["W1"].reshape(STEPS, *s.values["W1"].shape)
    if any(np.allclose(moves, moves.mean(axis, keepdims=True), rtol=1e-9, atol=1e-12) for axis in (1, 2)):
        raise NotBuilt("it takes sums or means along an axis of the gradients, as if they were those of single examples")
    if np.isfinite(np.concatenate([m.ravel() for m in s.moves.values()])).all():
        return ("direction", _general(s), "compare with the rule, for one number and two steps by hand")
    if family == "adam":
        text = "the first step gives NaN or infinity: is t 0 in it, so that 1 - beta**t is 0?"
        return "bias-correction", text, "t = 1 in the first step"
    return "saturates", "a step gives NaN or infinity.", "/ (np.sqrt(h) + eps)"


def _of_fit(found: Fit, rate: float | None, made: Any, family: str, given: dict[str, float]) -> Iterator[Mistake]:
    """What is wrong with the rule that the steps have: the mistake in it, its rate, its numbers."""
    mistake = found.mistake
    if mistake is not None and found.rate > 0:
        yield mistake.kind, mistake.message, mistake.hint
    elif found.rate < 0:
        yield "sign", "parameters move along their gradients, but they must move against them.", "w -= rate * g"
    elif rate is None or abs(found.rate - rate) <= 1e-4 * rate:
        yield from _of_values(found, made, family, given)
    elif abs(found.rate - 1) < 1e-4:
        yield "lr-ignored", f"the rate has no effect: with {rate:g} it steps as with 1.", "rate * ..."
    elif abs(found.rate - rate * rate) <= 1e-4 * rate * rate:
        text = "the rate is multiplied in twice: into what is kept, and into the step."
        yield "scale", text, "once, in either"
    else:
        yield "scale", f"steps are {found.rate / rate:.4g} times those of the rule.", "the rule, factor by factor"


def _family(found: Fit) -> str:
    return next(f for f, rules in RIGHT.items() if any(label == found.label for label, _ in rules))


def _fit(family: str, s: Setting, name: str, values: list[tuple[float, float]], rate: float | None = None) -> Fit | None:
    return fitting(family, s.gradients[name].reshape(STEPS, -1), s.moves[name], values, rate)


def _same(one: Setting, other: Setting) -> bool:
    """Whether the first layer moves the same with another one beside it; the drawn numbers of the first are the same."""
    return all(np.allclose(m, other.moves[n], rtol=1e-6, atol=1e-12, equal_nan=True) for n, m in one.moves.items())


def _counted(family: str, s: Setting, values: list[tuple[float, float]]) -> tuple[str, str, str] | None:
    """Whether Adam's t is counted at every parameter, or at every layer, instead of every step."""
    if family != "adam":
        return None
    for (each, count), first in product((("parameter", 2 * s.layers), ("layer", s.layers)), (1, 2)):
        for a, b in values:
            g = s.gradients["W1"].reshape(STEPS, -1)
            wanted = adam(g, a, b, times=[k * count + first for k in range(STEPS)])
            power = float((wanted * wanted).sum())
            factor = float((wanted * s.moves["W1"]).sum()) / power
            if count > 1 and factor and np.allclose(s.moves["W1"], factor * wanted, rtol=1e-5, atol=1e-7):
                text = f"t is counted up at every {each}, not once a step: with {count} of them it is "
                text += f"{count + first} in step 2."
                return "bias-correction", text, "t += 1 once, before the loop over the parameters"
    return None


def _values(made: Any, family: str, given: dict[str, float]) -> list[tuple[float, float]]:
    """a and b as the object says them, or as a function was given them, then the usual ones."""
    held = _numbers(made)
    if made is None:
        usual = (0.7, 0.9) if family in _TWO_NUMBERS else (0.8, 0.9)
        return [(given.get("a", usual[0]), given.get("b", usual[1])), usual, *_EVERY]
    first = [(said.get("a", 0.9), said.get("b", 0.999)) for said in (held | given, held) if said]
    return [*first, *_EVERY]


def _numbers(made: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    rates = [n for n in vars(made) if is_rate(n)] if made is not None and not _is_given_rate(type(made)) else []
    for name, value in vars(made).items() if made is not None else ():
        known = number(name) if name not in rates[:1] else None  # alpha is the rate, if it has no other
        if known is not None and isinstance(value, float) and 0 < value < 1:
            found.setdefault(known[0] if known[0] not in found else "b", value)
    return found


def _rate_of(made: Any) -> float | None:
    if made is None or _is_given_rate(type(made)):
        return RATE
    held = [v for n, v in vars(made).items() if is_rate(n) and isinstance(v, int | float)]
    return float(held[0]) if held else None


def _of_values(found: Fit, made: Any, family: str, given: dict[str, float]) -> Iterator[Mistake]:
    """Whether the numbers that the object was given are those it uses."""
    said, used = _numbers(made) | given, {"a": found.a, "b": found.b}
    for which in {"momentum": "a", "nesterov": "a", "rmsprop": "a", "adam": "ab", "nadam": "ab"}.get(family, ""):
        if which in said and abs(said[which] - used[which]) > 1e-9:
            text = f"it steps as with {used[which]}, whatever it is given: {said[which]} has no effect."
            yield "option-ignored", text, "self's number, not one that is written out"
            return


def _general(s: Setting) -> str:
    g, moves = s.gradients["W1"].reshape(STEPS, -1), s.moves["W1"]
    cosine = float((g * moves).sum()) / float(np.linalg.norm(g) * np.linalg.norm(moves))
    text = "its steps are not those of the rule, in none of the known ways; the cosine of the angle to the gradients is "
    return text + f"{cosine:.3g}; straight against them it is -1."


def _zeros(run: Callable[..., Setting]) -> Iterator[Mistake]:
    """A gradient of 0, as of a ReLU that is off."""
    try:
        found = run(True)
    except Misbehaviour as problem:
        yield problem.kind, problem.message + ".", problem.hint
        return
    if not all(np.isfinite(m).all() for m in found.moves.values()):
        text = "a gradient of 0 in the first step gives NaN: 0 / 0."
        yield "saturates", text, "/ (np.sqrt(h) + eps), with eps = 1e-8"


def _options(cls: type) -> Iterator[tuple[str, Any, str]]:
    """Options to try: a momentum of SGD, a decay of the rate."""
    for p in asks(cls, by_name=True):
        if re.match(r"momentum|mu$|mom$", p.name, re.I) and family_of(cls.__name__) == "sgd" and p.default is not p.empty:
            if not isinstance(p.default, bool):
                yield p.name, 0.8, "momentum"
        elif p.name.lower() in ("decay", "lr_decay", "learning_rate_decay"):
            yield p.name, 0.5, "decay"
        elif _DECAYS.match(p.name) and isinstance(p.default, int | float) and family_of(cls.__name__) == "sgd":
            yield p.name, 0.3, "weights"
        elif _DECAYS.match(p.name) and isinstance(p.default, int | float) and "adamw" in cls.__name__.lower():
            yield p.name, 0.3, "apart"


def _with(maker: _Maker, value: Any, what: str, way: Way, method: str) -> tuple[str, list[Mistake]]:
    """The rule that the steps have with an option, and what is found."""
    try:
        one, two = (_run(maker, way, method, n) for n in (1, 2))
    except (Misbehaviour, TypeError, ValueError, KeyError, AttributeError, IndexError) as problem:
        own = isinstance(problem, Misbehaviour) and problem.kind == "crash" and problem.line
        return "", [("crash", f"{problem}.", "")] if own else []
    if not _same(one, two):
        text = "a layer moves otherwise when there is another beside it."
        hint = "what is kept belongs to one parameter of one layer"
        if what == "decay":
            text, hint = "the rate decays at every layer, not once a step.", "count steps once, after all layers"
        return "", [("shared-state", text, hint)]
    if what == "momentum":
        return _with_momentum(one, value)
    if what == "apart":
        return "", list(_decayed_apart(one, _run(_Maker(maker.cls, None, maker.network, maker.ready), way, method, 1)))
    return "", list(_decayed(one)) if what == "weights" else []


def _with_momentum(one: Setting, value: float) -> tuple[str, list[Mistake]]:
    found = _fit("momentum", one, "W1", [(value, 0.0)]) or _fit("nesterov", one, "W1", [(value, 0.0)])
    write = "v = momentum * v - rate * g; w += v"
    if found is None:
        return "", [("direction", _general(one), write)]
    if found.mistake is not None and found.mistake.kind == "state-lost":
        text = "it has no effect, or the velocity does not last from one step to the next."
        return "", [("option-ignored", text, write)]
    if found.mistake is not None:
        return "", [(found.mistake.kind, found.mistake.message, found.mistake.hint)]
    if found.rate < 0:
        return "", [("sign", "parameters move along their gradients.", write)]
    return found.label, []


def _decayed_by_layers(run: Callable[..., Setting]) -> Iterator[Mistake]:
    """What the factor that a layer has for a decay of its weights adds to a step, if anything."""
    with_it = run(decay=0.3)
    if not np.allclose(with_it.moves["W1"], run().moves["W1"]):
        yield from _decayed(with_it)


def _decayed_apart(s: Setting, without: Setting) -> Iterator[Mistake]:
    """What AdamW's decay adds to a step: a multiple of the weights, which goes into neither average."""
    w, added = s.values["W1"].ravel(), s.moves["W1"][0] - without.moves["W1"][0]
    factor = factor_of(added, w)
    if not factor:
        text, hint = "it has no effect.", "w -= rate * decay * w"
        yield "option-ignored", text, hint
    elif not np.allclose(added, factor * w, rtol=1e-5, atol=1e-9):
        text = "the decay is added to the gradient, and so it goes through the averages: that is Adam with L2."
        yield "regulariser", text, "w -= rate * decay * w, apart from m and v"
    elif factor > 0:
        yield "sign", "it makes weights grow.", "w -= rate * decay * w"


def _decayed(s: Setting) -> Iterator[Mistake]:
    """What a decay of the weights adds to the first step: so many times minus the weights."""
    w, move, g = s.values["W1"].ravel(), s.moves["W1"][0], s.gradients["W1"][0].ravel()
    terms = np.stack([g, w, np.sign(w)], axis=1)
    factors = -np.linalg.lstsq(terms, move, rcond=None)[0]
    write = "w -= rate * (g + decay * w)"
    if not np.allclose(move, -terms @ factors, rtol=1e-6, atol=1e-9):
        yield "regulariser", "what it adds to a step is no multiple of the weights.", write
    elif np.abs(factors[1:]).max() < 1e-9:
        yield "option-ignored", "it has no effect.", write
    elif factors[1:].min() < -1e-9:
        yield "sign", "it makes weights grow.", write
