"""Networks that have their own loss, built from a stranger's class by the names of its arguments, with x and t for them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call, tried
from modnet.check.networks.scored import Scored, examine_scored, form_of, has_layers, spread
from modnet.check.reading.arguments import NotBuilt, asks, called_as, switches
from modnet.check.reading.lines import text_of
from modnet.check.reading.vocabulary import REG, meaning_of
from modnet.check.report import Report

_D, _H, _C = 3, 4, 3
_SIZES = (
    "every", "hiddens", "hidden", "input", "output", "depth", "dtype", "chan_out", "k_size", "rate", "scale", "features",
)  # fmt: skip


def examine_network_class(cls: type) -> Report:
    """The report on a network's class: the first sizes and kind of truth with which its gradients are right, else the first.

    A truth may be whole numbers, rows with a one, or numbers: what a loss does not take is no finding.
    """
    tried: list[Report] = []
    failed: list[Misbehaviour] = []
    for net in built(cls, failed):
        if not (form_of(cls) or has_layers(net)):
            continue
        for x, t in _data(net, failed):
            report = examine_scored(net, x, t)
            if report.ok:
                _with_options(report, cls, net, x, t)
                return report
            tried.append(report)
        if tried:
            break
    if not tried:
        lacks = rf"NameError|UnboundLocalError|'{cls.__name__}' object has no attribute"
        own = next((f for f in failed if f.line and re.search(lacks, f.message)), None)
        if own is not None:
            raise own
        why = failed[0].message if failed else "what its arguments mean is not known"
        raise NotBuilt(f"{called_as(cls)} could not be asked: {why}. check_network checks one that you build")
    said = [r for r in tried if not any(f.kind in ("crash", "shape", "saturates") for f in r.findings)]
    return (said or tried)[0]


def _with_options(report: Report, cls: type, net: Any, x: np.ndarray, t: Any) -> None:
    """What is found with an option on or off, a normalisation or a dropout, and was not found without."""
    for p in asks(cls, by_name=True):
        word = p.name.lower().replace("_", "")
        values: list[Any] = [value for name, value in switches(cls) if name == p.name]
        if "normalization" in word and (p.default is None or isinstance(p.default, str)):
            values = ["batchnorm", "layernorm"]
        elif word == "activation" and isinstance(p.default, str):
            values = [v for v in ("sigmoid", "tanh", "relu") if v != p.default]
        for value in values:
            other = next(built(cls, [], {p.name: value}), None)
            found = None if other is None else tried(examine_scored, other, x, t, also=(ValueError, TypeError))
            of_option = ("crash", "shape", "saturates", "not-implemented")
            if found is not None and not any(f.kind in of_option for f in found.findings):
                report.add(found, f"with {p.name}={value!r}")


def built(
    cls: type, failed: list[Misbehaviour], options: dict[str, Any] | None = None, more: dict[str, Any] | None = None
) -> Iterator[Any]:
    """Objects of a network's class, the smallest first; those with more layers, or with one output, last.

    Parameters
    ----------
    options : by name. more : what is required beside sizes, by meaning.
    """
    seen: list[str] = []
    for kind in _KINDS:
        arguments = _arguments(cls, kind, more or {})
        if arguments is None:
            return
        arguments.update(options or {})
        if repr(arguments) in seen:
            continue
        seen.append(repr(arguments))
        try:
            net = call(f"{cls.__name__}(...)", lambda given=arguments: cls(**given))
        except Misbehaviour as problem:
            guessed = any(meaning_of(name, ("modules",)) for name in arguments)  # widths, where layers may be meant
            failed += [] if guessed else [problem]
            continue
        held: Any = getattr(net, "params", None)
        for key, value in held.items() if isinstance(held, dict) else ():
            if isinstance(value, np.ndarray) and value.dtype == np.float32:  # differences need more digits
                held[key] = value.astype(np.float64)
        yield net


class _Kind(NamedTuple):
    """A network to build.

    Attributes
    ----------
    small : whether sizes with a default are made small, too. many : whether there may be several hidden layers. every : the
        layers, if all are asked for. hidden : the width of a hidden layer; if all are as wide, what has the wrong shape shows
        as a wrong number.
    """

    small: bool = True
    many: bool = True
    every: tuple[int, ...] = (_D, _H, _C)
    hidden: int = _H


_KINDS = (
    _Kind(), _Kind(many=False), _Kind(small=False), _Kind(every=(_D, _H, 5, _C)), _Kind(every=(_D, _H, 1)),
    _Kind(every=(_D, _H, 5, 1)), _Kind(every=(_D,) * 3, hidden=_D),
)  # fmt: skip


def _arguments(cls: type, kind: _Kind, more: dict[str, Any]) -> dict[str, Any] | None:
    """Values for a constructor; None if one that is required has no known meaning."""
    found: dict[str, Any] = {}
    for p in asks(cls, by_name=True):
        several = _goes_through(cls, p.name)
        value = _value(meaning_of(p.name, _SIZES), p, kind, several)
        if value is None and p.default is p.empty and several and meaning_of(p.name, ("activations",)):
            value = _bends(cls, len(kind.every) - 1)
        if value is not None:
            found[p.name] = value
        elif p.default is p.empty and REG.match(p.name):
            found[p.name] = 0.1
        elif p.default is p.empty and (what := meaning_of(p.name, more)):
            found[p.name] = copied(more[what])
        elif p.default is p.empty and meaning_of(p.name, ("modules",)):
            found[p.name] = list(kind.every)  # how wide they are
        elif p.default is p.empty:
            return None
    return found


#: Sizes by their meaning, and those that are given only where they are needed.
_NUMBERS = {
    "input": _D, "features": _D, "chan_out": 2, "k_size": 3, "rate": 0.1,
    "dtype": np.float64,
}  # fmt: skip
_IF_NEEDED = {"depth": 2, "scale": 0.1}


def _goes_through(cls: type, name: str) -> bool:
    """Whether a constructor takes an argument as a list, by its lines: ``len(sizes)``, ``for n in sizes``, ``[n] + sizes``."""
    name = re.escape(name)
    used = rf"(len|list|enumerate)\({name}\b|\bin {name}\b|\b{name}\[|\bzip\([^)]*\b{name}\b|\] \+ {name}\b|\b{name} \+ \["
    return bool(re.search(used, text_of(inspect.getattr_static(cls, "__init__"))))


def _bends(cls: type, many: int) -> list[str] | None:
    """As many words for activations, of those that a class's lines compare: a smooth one between layers, none at the end."""
    words = re.findall(r"['\"](tanh|sigmoid|relu|identity|linear|none)['\"]", text_of(cls), re.I)
    named = {word.lower(): word for word in words}
    between = [named[n] for n in ("tanh", "sigmoid", "relu") if n in named]
    ends = [named[n] for n in ("identity", "linear", "none") if n in named] or between
    return [*between[:1] * (many - 1), ends[0]] if between else None


def _value(role: str, p: inspect.Parameter, kind: _Kind, several: bool) -> Any:
    needed, small = p.default is p.empty, kind.small
    listed = several or isinstance(p.default, list | tuple) or "list" in str(p.annotation).lower()
    if p.default is None and small and re.fullmatch(r"conv_?params?", p.name):
        return {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}
    if isinstance(p.default, dict) and small:
        return {k: 2 if "num" in str(k) else 3 if "size" in str(k) else v for k, v in p.default.items()}
    if role == "input" and isinstance(p.default, tuple):
        return (*p.default[:1], *(8 if small else side for side in p.default[1:])) if len(p.default) == 3 else None
    if not (small or needed):
        return None
    if role in ("hidden", "hiddens") and (listed or (role == "hiddens" and kind.many and not isinstance(p.default, int))):
        return [kind.hidden, 5 if kind.hidden == _H else kind.hidden]
    if role == "every":
        return list(kind.every) if needed or listed else None
    if role in ("hidden", "hiddens"):
        return kind.hidden
    if role == "output":
        return list(kind.every[1:]) if several else kind.every[-1]
    return _NUMBERS.get(role, _IF_NEEDED.get(role) if needed else None)


def _data(net: Any, failed: list[Misbehaviour]) -> Iterator[tuple[np.ndarray, Any]]:
    """x and t that a network takes, the likeliest truth first."""
    rng = np.random.default_rng(0)
    for shape in _shapes(net):
        x = rng.normal(size=shape)
        if form_of(type(net)) == "":
            try:
                out = Scored(net, x, np.zeros(1)).output()
            except (Misbehaviour, TypeError, ValueError, AttributeError) as problem:
                failed += [problem] if isinstance(problem, Misbehaviour) else []
                continue
            if np.isfinite(out).all() and out.ndim and len(out) == len(x):
                yield x, rng.normal(size=out.shape)
                return
            continue
        classes = _classes(net, x)
        labels = np.arange(len(x)) % classes
        truths: list[Any] = [np.eye(classes)[labels], labels]
        kept = form_of(type(net)) == "kept"
        loss = getattr(net, Scored(net, x, None).method) if kept else getattr(type(net), "loss", None) or type(net).forward
        if asks(loss)[1].name.lower().startswith("y"):
            truths.reverse()
        truths.append(rng.normal(size=(len(x), classes)))
        scoring, answering = [], []
        for t in truths:
            try:
                scored = Scored(net, x, t)
                spread(scored)
                if np.isfinite(scored.score()):
                    scoring.append(t)
                    scored.gradients()
                    answering.append(t)
            except Misbehaviour as problem:
                failed.append(problem)
                scoring = [s for s in scoring if problem.kind != "unknown" or s is not t]
            except (TypeError, ValueError, AttributeError, KeyError):
                continue
        yield from ((x, t) for t in answering or scoring[:1])
        if scoring:
            return


def _classes(net: Any, x: np.ndarray) -> int:
    """The number of outputs."""
    out = tried(lambda: Scored(net, x, None).output(), also=(TypeError, ValueError, StopIteration))
    return int(out.shape[-1]) if out is not None and out.ndim == 2 and out.shape[-1] > 1 else _C


def _shapes(net: Any) -> list[tuple[int, ...]]:
    """Shapes of x: what the constructor says, else a width that the first parameters have."""
    given = getattr(net, "input_dim", None) or getattr(net, "input_shape", None)
    signature = inspect.signature(type(net)).parameters
    pictures = [p.default for p in signature.values() if isinstance(p.default, tuple) and len(p.default) == 3]
    if isinstance(given, tuple) and len(given) == 3:
        pictures.insert(0, given)
    shapes: list[tuple[int, ...]] = []
    for chan, *sides in pictures:
        shapes += [(3, chan, 8, 8), (3, chan, *sides)]
    held = tried(lambda: Scored(net, np.zeros((2, 2)), None).parameters()) or {}
    widths = [_D, *(n for array in list(held.values())[:2] for n in array.shape if array.ndim == 2)]
    return shapes + [(5, n) for n in dict.fromkeys(widths)]


def network_of_layers(cls: type) -> Report | None:
    """The report on a class that goes forward and back by the layers that it keeps in a list; None if it is no such network."""
    net = next(built(cls, []), None)
    if net is None or form_of(cls) or not has_layers(net):
        return None
    try:
        return examine_network_class(cls)
    except NotBuilt:
        return None


def used_by(cls: type) -> dict[str, Any]:
    """The functions and classes that a class's methods call, directly or through functions of their own, by their names."""
    found: dict[str, Any] = {}
    waiting = [v for k in cls.__mro__[:-1] for v in vars(k).values() if inspect.isfunction(v)]
    while waiting:
        function = waiting.pop()
        codes = [function.__code__]
        for code in codes:  # those of its lambdas and comprehensions come in on the way
            codes += [c for c in code.co_consts if inspect.iscode(c)]
            called = {n: function.__globals__.get(n) for n in code.co_names if n not in found}
            found |= {n: v for n, v in called.items() if inspect.isfunction(v) or inspect.isclass(v)}
            waiting += filter(inspect.isfunction, called.values())
    return found
