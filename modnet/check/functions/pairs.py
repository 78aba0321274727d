"""Functions of a file, in pairs by their names, and losses of other styles: with inputs for them, examined like modules.

`NAME_forward` and `NAME_backward`, with `_naive`, `_alt` or `_vectorized` behind, are a pair. Their arguments are filled by
what their names mean to CS231n: x, w, b, gamma, beta, and a dict of options by its name. What cannot be filled is not checked.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import linecache
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.building.handed import straight
from modnet.check.functions.check import check_backward, in_columns
from modnet.check.modules.evaluation import functions_in_evaluation
from modnet.check.reading.arguments import needs
from modnet.check.reading.lines import returned, words_compared
from modnet.check.reading.vocabulary import REG
from modnet.check.report import Report, not_checked
from modnet.check.styles.layer_calls import is_above

Shape = tuple[int, ...]
#: An argument that chooses by a word.
_WAY = re.compile(r"^(mode|activation(_(fn|function|name))?|act|pool(ing)?(_mode)?)$", re.I)
_RATE = re.compile(r"^(p|(keep|drop(out)?)?_?(prob|rate|ratio)|drop(out)?)$", re.I)
_ENDS = r"(_(naive|alt|vectorized|fast|simple))?"


def pairs_of(
    names: dict[str, Any], own: Callable[[Any], bool], beside: Iterable[dict[str, Any]] = ()
) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """(the name of backward, forward, backward) for each pair among the functions of a file.

    Parameters
    ----------
    names : what the file defines. own : whether a function is the file's own. beside : what other files define, in which the
        forward of a backward is looked for too.
    """
    places = [{n: f for n, f in held.items() if inspect.isfunction(f)} for held in (names, *beside)]
    for name, backward in places[0].items():
        found = re.fullmatch(rf"(\w+?)_backw[ao]rd{_ENDS}", name)
        if found is None or not own(backward):
            continue
        wanted = [f"{found[1]}_forward{end}" for end in (found[2] or "", "", "_naive", "_vectorized", "_fast")]
        forward = next((held[n] for held in places for n in wanted if n in held), None)
        unregularised = _unregularised(backward)
        if forward is not None and _takes_the_same(forward, backward):
            yield name, *_with_cache(forward, backward)
        elif forward is not None and len(needs(unregularised)) in (2, 3):
            yield name, forward, unregularised


def _takes_the_same(forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    """Whether backward is given, after what comes from above, what forward was given, and no cache: (dZ, A_prev, W, b)."""
    above, *rest = needs(backward) or [""]
    same = bool(rest) and {*rest} <= inspect.signature(forward).parameters.keys()
    return same and is_above(above) and not isinstance(returned(forward), ast.Tuple)


def _with_cache(forward: Callable[..., Any], backward: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The same two functions with a cache between them: what forward was given, by its names."""
    own, *rest = inspect.signature(backward).parameters

    @functools.wraps(forward)
    def kept(*given: Any) -> tuple[Any, dict[str, Any]]:
        bound = inspect.signature(forward).bind(*given)
        bound.apply_defaults()
        return forward(*given), dict(bound.arguments)

    @functools.wraps(backward)
    def back(delta: Any, cache: dict[str, Any]) -> Any:
        return backward(delta, **{n: cache[n] for n in rest if n in cache})

    two = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in (own, "cache")]
    back.__signature__ = inspect.Signature(two)  # type: ignore[attr-defined]
    return kept, back


def _unregularised(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without the arguments that ask for a regularisation and have no default: none is asked for."""
    off = [n for n in needs(function) if REG.match(n)]
    if not off:
        return function

    @functools.wraps(function)
    def wanted(*given: Any, **named: Any) -> Any:
        return function(*given, **named, **dict.fromkeys(off, False))

    own = inspect.signature(function)
    left = [p for p in own.parameters.values() if p.name not in off]
    wanted.__signature__ = own.replace(parameters=left)  # type: ignore[attr-defined]
    return wanted


def examine_pair(forward: Callable[..., Any], backward: Callable[..., Any]) -> Report:
    """The report on a pair of functions, at inputs that forward takes, in each of the ways that a word among them chooses."""
    if (whole := _network(forward, backward)) is not None:
        return whole
    if pictures := list(_pictures(forward)):
        return _in_sizes(forward, backward, pictures)
    signature = f"{forward.__name__}{inspect.signature(forward)}"
    why, found = f"{signature}: check_backward checks it with your inputs", None
    for inputs in _inputs(forward):
        way = inputs[-1] if isinstance(inputs[-1], str) else ""
        try:
            result = call(forward.__name__, forward, *copy.deepcopy(inputs))
        except Misbehaviour as problem:
            lines = linecache.getlines(forward.__code__.co_filename)
            own = not any(re.match(r"\s*from\s+\S+\s+import\s+\*", line) for line in lines)
            if own and re.search(r"raises (Name|UnboundLocal)Error", problem.message):
                raise  # whatever it is given, and wherever its names come from
            text = f"{signature}: {problem.message.split(' raises ')[-1]}"
            why = f"no inputs were found that it takes: {text}; check_backward takes yours"
            continue
        if not isinstance(result, tuple) or len(result) < 2:
            continue
        report = check_backward(forward, backward, *inputs)
        if not any(f.where == forward.__name__ for f in report.findings):
            functions_in_evaluation(report, forward, inputs)
        if not way:
            return report
        if found is None:
            found = report
        else:
            found.add(report, f"with {way!r}")
    if found is not None:
        return found
    return not_checked(backward.__name__, why)


#: The size of a window, its stride.
_WINDOWS: tuple[tuple[Shape, Shape], ...] = (
    ((3, 3), (1, 1)),
    ((2, 2), (2, 2)),
    ((2, 2), (1, 1)),
    ((1, 1), (1, 1)),
    ((3, 2), (1, 2)),
)


def _pictures(forward: Callable[..., Any]) -> Iterator[tuple[str, list[Any]]]:
    """Pictures (batch, height, width, channels) and windows for a function of (A_prev, W, b, ...) or (A_prev, kernel_shape).

    With words for each; the window that every other one is compared with comes first.
    """
    asked = inspect.signature(forward).parameters
    names, required = {n.lower() for n in asked}, [n.lower() for n in needs(forward)]
    if "a_prev" not in names or not ({"w", "b"} <= names or "kernel_shape" in names) or "stride" not in names:
        return
    rng = np.random.default_rng(0)
    words = {n: words_compared(forward, n) or [p.default] for n, p in asked.items() if n in ("padding", "mode")}
    for (k, stride), chosen in product(_WINDOWS, list(product(*words.values()))):
        known: dict[str, Any] = {"a_prev": rng.permutation(2 * 6 * 5 * 2).reshape(2, 6, 5, 2) / 40 - 1.4, "kernel_shape": k}
        known |= {"w": rng.normal(size=(*k, 2, 3)), "b": rng.normal(size=(1, 1, 1, 3)), "activation": straight}
        known |= {"stride": stride, **dict(zip(words, chosen, strict=True))}
        if all(n in known for n in required):
            said = [f"windows of {k}", f"stride={stride}", *(f"{n}={word!r}" for n, word in zip(words, chosen, strict=True))]
            yield ", ".join(said), [known.get(n.lower(), p.default) for n, p in asked.items()]


def _in_sizes(forward: Callable[..., Any], backward: Callable[..., Any], inputs: list[tuple[str, list[Any]]]) -> Report:
    """The report on a pair at the first of these inputs, with what is found at others and not there."""
    found, why = None, ""
    for label, given in inputs:
        try:
            call(forward.__name__, forward, *copy.deepcopy(given))
        except Misbehaviour as problem:
            why = why or problem.message
            continue
        report = check_backward(forward, backward, *given)
        if found is None:
            found = report
        elif {f.kind for f in report.findings} - {f.kind for f in found.findings}:
            found.add(report, f"with {label}")
    return found or not_checked(backward.__name__, f"no inputs were found that it takes: {why}; check_backward takes yours")


def _network(forward: Callable[..., Any], backward: Callable[..., Any]) -> Report | None:
    """The report on a network in functions, (X, parameters) -> (AL, caches) and (AL, Y, caches) -> gradients, by its cost.

    The cost is the function of the file that is named so and takes (AL, Y); None if it is no such network.
    """
    given, asked = needs(forward), needs(backward)
    costs = [
        f
        for f in forward.__globals__.values()
        if inspect.isfunction(f) and re.search("cost|loss", f.__name__) and len(needs(f)) == 2
    ]
    if len(given) != 2 or len(asked) != 3 or not re.match("param", given[1]) or "cache" not in asked[2] or not costs:
        return None

    rng, sizes = np.random.default_rng(0), (3, 4, 1)  # a column an example, two layers
    X = rng.normal(size=(3, 5))
    layers = [(f"{n}{i + 1}", (sizes[i + 1], sizes[i] if n == "W" else 1)) for i in range(2) for n in "Wb"]
    first, *rest = (rng.normal(size=size) / 2 for _, size in layers)

    def to_cost(W1: np.ndarray, parameters: dict[str, np.ndarray]) -> Any:
        AL, caches = forward(X.copy(), {"W1": W1, **parameters})
        Y = np.arange(AL.size).reshape(AL.shape) % 2 * 1.0
        return costs[0](AL, Y), (AL, Y, caches)

    def from_cost(dcost: float, cache: Any) -> Any:
        return {name: dcost * g for name, g in backward(*cache).items()}

    for ours, own in ((to_cost, forward), (from_cost, backward)):
        ours.__name__ = own.__name__
    others = dict(zip((n for n, _ in layers[1:]), rest, strict=True))
    try:
        call(forward.__name__, to_cost, first, others)
    except Misbehaviour:
        return None  # it is of another form
    report = check_backward(to_cost, from_cost, first, others)
    report.findings = [f for f in report.findings if f.where != forward.__name__]  # the cost has a report of its own
    report.verdicts = [row for row in report.verdicts if row[0] != forward.__name__]
    return report


def _inputs(forward: Callable[..., Any]) -> Iterator[list[Any]]:
    """Inputs for a function by the names of its arguments: rows, then pictures; columns for a course that has them.

    An argument of words comes last, and takes each word that the function compares it with.
    """
    given = inspect.signature(forward).parameters.values()
    chosen = [p.name for p in given if _WAY.search(p.name)]
    names = [p.name for p in given if p.default is p.empty and p.name not in chosen]
    if chosen and [p.name for p in given][: len(names)] != names:
        return
    for inputs in _columns(names, forward.__name__.lower()) if in_columns(forward) else _rows(names, forward.__name__.lower()):
        for way in words_compared(forward, chosen[0]) if chosen else ():
            yield [*inputs, way]
        if not chosen:
            yield inputs


def _rows(names: list[str], word: str) -> Iterator[list[Any]]:
    """Inputs with a row an example."""
    for shape in [(2, 2, 6, 5), (2, 2, 6, 4)] if re.search("conv|pool|spatial", word) else [(4, 3), (2, 4, 3), (3, 2, 4, 4)]:
        rng = np.random.default_rng(0)

        def draw(*size: int, rng: np.random.Generator = rng) -> np.ndarray:
            count = int(np.prod(size))
            numbers = (rng.permutation(count) - (count - 1) / 2) * (3 / max(count, 2)) + rng.uniform(0.01, 0.02, count)
            return numbers.reshape(size)

        n, d, h = shape[0], shape[1] if len(shape) == 4 else shape[-1], 3 if len(shape) == 4 else 5
        flat = "temporal" not in word and "time" not in word
        last = int(np.prod(shape[1:])) if flat and ("affine" in word or "fc" in word or "linear" in word) else d
        filters, wide = (h, shape[1], 3, 3) if len(shape) == 4 else (last, h), 4 * h if "lstm" in word else h
        known: dict[str, Any] = {
            "x": draw(*shape), "inputs": draw(*shape), "w": draw(*filters), "b": draw(wide), "weights": draw(*filters),
            "bias": draw(wide), "gamma": draw(d) + 2, "beta": draw(d),
            "h0": draw(n, h), "prev_h": draw(n, h), "prev_c": draw(n, h), "wx": draw(d, wide), "wh": draw(h, wide),
            "bh": draw(wide),
            "conv_param": {"stride": 1, "pad": 1}, "pool_param": {"pool_height": 2, "pool_width": 2, "stride": 2},
            "bn_param": {"mode": "train", "eps": 1e-5}, "ln_param": {"eps": 1e-5}, "gn_param": {"eps": 1e-5},
            "dropout_param": {"mode": "train", "p": 0.6, "seed": 3}, "g": 2, "stride": 1, "pad": 1,
        }  # fmt: skip
        if "drop" in word:
            known |= {n.lower(): 0.6 for n in names if _RATE.match(n)}
        if "groupnorm" in word:
            known |= {"gamma": draw(1, d, 1, 1) + 2, "beta": draw(1, d, 1, 1)}
        if "embedding" in word:
            known["x"] = np.arange(n * 3).reshape(n, 3) % 3
        if all(name.lower() in known for name in names):
            yield [known[name.lower()] for name in names]
            if len(shape) == 2 and "w" in map(str.lower, names):
                known |= {"w": draw(d) + 2, "W": draw(d) + 2, "b": draw(d)}  # a weight for each number of an example
                yield [known[name.lower()] for name in names]


def _columns(names: list[str], word: str) -> Iterator[list[Any]]:
    """Inputs with a column an example, three numbers each; with pictures, (examples, height, width, channels); sequences."""
    rng = np.random.default_rng(0)
    options = {"f": 2, "stride": 2} if "pool" in word else {"stride": 1, "pad": 1}
    x, h, out = 3, 4, 2
    gates = ("f", "i", "c", "o") if "lstm" in word else ()
    sizes: dict[str, Shape] = {**{f"W{g}": (h, h + x) for g in gates}, **{f"b{g}": (h, 1) for g in gates}}
    own: dict[str, Shape] = {"Wax": (h, x), "Waa": (h, h), "Wya": (out, h), "ba": (h, 1), "by": (out, 1)}
    sizes |= {"Wy": (out, h), "by": (out, 1)} if gates else own
    held = {name: rng.normal(size=size) for name, size in sizes.items()}
    states = {name: rng.normal(size=(h, 2)) for name in ("a_prev", "c_prev", "a0")}
    for sizes3 in (((3, 4), (5, 3), (5, 1)), ((2, 5, 6, 2), (3, 3, 2, 3), (1, 1, 1, 3))):
        known: dict[str, Any] = {n: rng.normal(size=s) for n, s in zip("awb", sizes3, strict=True)}
        known |= {"hparameters": options, "hparams": options, "xt": rng.normal(size=(x, 2)), "parameters": held}
        known |= states if len(names) > 1 and "xt" in names else {"a_prev": known["a"], "a0": states["a0"]}
        known["x"] = rng.normal(size=(x, 2, 3))
        if all(name.lower() in known for name in names):
            yield [known[name.lower()] for name in names]
