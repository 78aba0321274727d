"""Functions of a file, in pairs by their names, and losses of other styles: with inputs for them, examined like modules.

`NAME_forward` and `NAME_backward`, with `_naive`, `_alt` or `_vectorized` behind, are a pair. Their arguments are filled by
what their names mean to CS231n: x, w, b, gamma, beta, and a dict of options by its name. What cannot be filled is not checked.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.evaluation import functions_in_evaluation
from modnet.check.functions import check_backward, in_columns
from modnet.check.report import Report

_ENDS = r"(_(naive|alt|vectorized|fast|simple))?"


def pairs_of(names: dict[str, Any], own: Callable[[Any], bool]) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """(the name of backward, forward, backward) for each pair among the functions of a file.

    Parameters
    ----------
    names : what the file defines. own : whether a function is the file's own.
    """
    functions = {n: f for n, f in names.items() if inspect.isfunction(f) and own(f)}
    for name, backward in functions.items():
        found = re.fullmatch(rf"(\w+?)_backward{_ENDS}", name)
        if found is None:
            continue
        ends = [found[2] or "", "", "_naive", "_vectorized", "_fast"]
        forward = next((functions[f"{found[1]}_forward{e}"] for e in ends if f"{found[1]}_forward{e}" in functions), None)
        required = [p for p in inspect.signature(backward).parameters.values() if p.default is p.empty]
        if forward is not None and len(required) in (2, 3):
            yield name, forward, backward


def examine_pair(forward: Callable[..., Any], backward: Callable[..., Any]) -> Report:
    """The report on a pair of functions, at inputs that forward takes."""
    wrong = Report("")
    for inputs in _inputs(forward):
        try:
            result = forward(*[v.copy() if isinstance(v, np.ndarray | dict) else v for v in inputs])
        except Exception as error:  # whatever a stranger's function raises, these are not its inputs
            why = f"{forward.__name__}{inspect.signature(forward)}: {type(error).__name__}: {error}"
            wrong.verdicts[:] = [("", "not checked", f"no inputs were found that it takes: {why}; check_backward takes yours")]
            continue
        if isinstance(result, tuple) and len(result) > 1:
            report = check_backward(forward, backward, *inputs)
            if not any(f.where == forward.__name__ for f in report.findings):
                functions_in_evaluation(report, forward, inputs)
            return report
    if not wrong.verdicts:
        wrong.verdict(
            "", right=None, remark=f"{forward.__name__}{inspect.signature(forward)}: check_backward checks it with your inputs"
        )
    wrong.subject = backward.__name__
    return wrong


def _inputs(forward: Callable[..., Any]) -> Iterator[list[Any]]:
    """Inputs for a function by the names of its arguments: rows, then pictures."""
    names = [p.name for p in inspect.signature(forward).parameters.values() if p.default is p.empty]
    word = forward.__name__.lower()
    if in_columns(forward):
        yield from _columns(names)
        return
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
        if "groupnorm" in word:
            known |= {"gamma": draw(1, d, 1, 1) + 2, "beta": draw(1, d, 1, 1)}
        if "embedding" in word:
            known["x"] = np.arange(n * 3).reshape(n, 3) % 3
        if all(name.lower() in known for name in names):
            yield [known[name.lower()] for name in names]
            if len(shape) == 2 and "w" in map(str.lower, names):
                known |= {"w": draw(d) + 2, "W": draw(d) + 2, "b": draw(d)}  # a weight for each number of an example
                yield [known[name.lower()] for name in names]


def _columns(names: list[str]) -> Iterator[list[Any]]:
    """Inputs with a column an example, three numbers each; with pictures, (examples, height, width, channels)."""
    rng = np.random.default_rng(0)
    curves = ("relu", "sigmoid", "tanh") if "activation" in names else ("",)
    options = {"stride": 1, "pad": 1}
    for curve in curves:
        for sizes in (((3, 4), (5, 3), (5, 1)), ((2, 5, 6, 2), (3, 3, 2, 3), (1, 1, 1, 3))):
            known: dict[str, Any] = {n: rng.normal(size=s) for n, s in zip("AWb", sizes, strict=True)}
            known |= {"A_prev": known["A"], "activation": curve, "hparameters": options, "hparams": options}
            if all(name in known for name in names):
                yield [known[name] for name in names]


__all__ = ["examine_pair", "pairs_of"]
