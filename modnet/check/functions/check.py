"""check_backward: functions `out, cache = forward(*inputs)` and `gradients = backward(dout, cache)`, as CS231n has them.

The pair is put behind the three questions that modules answer (`modnet.check.asking.subject`): the first input is the input,
other arrays are the parameters, what is no array (a dict of options, a number) is handed on. So the same probes are made, and
the same names given. Where an option is a stride, a padding or the size of a window, the pair is asked in other sizes too.
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.subject import Subject
from modnet.check.modules.check import PLAN, settle
from modnet.check.probes.plan import Examination
from modnet.check.reading.arguments import asks
from modnet.check.reading.lines import returned
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, UPDATE, ZERO, core
from modnet.check.report import Finding, Report
from modnet.check.styles.wording import in_words, relabel

Function = Callable[..., Any]
#: Findings that say no more than "wrong": with which option it is right tells more.
_GENERAL = {"direction", "crash", "shape", "overwrites", "saturates", "missing-parameter", "scale", "transposed"}
_HINTS = {
    "padding": "x[p:-p] is empty for p = 0: write x[p:p + height], and the same p in forward and here",
    "stride": "window i starts at i * stride, in forward and here",
    "overlap": "a position seen by several windows gets the sum of what they give: +=, not =",
    "uncovered": "a position that no window reaches gets 0, and dx the shape of x all the same",
}


class _Pair:
    """Two functions as an object: a class made for each pair has the functions as attributes, so that their lines are found."""

    def __init__(self, forward: Function, backward: Function, names: Sequence[str], inputs: Sequence[Any]) -> None:
        self.functions = (forward, backward)
        self.names = list(names)
        given = dict(zip(names[1:], inputs[1:], strict=True))
        self.dicts = {n: list(v) for n, v in given.items() if isinstance(v, dict) and v and all(map(_is_numbers, v.values()))}
        self._parameters = {n: v for n, v in given.items() if _is_numbers(v)}
        for name in self.dicts:
            self._parameters |= given[name]
        self.fixed = {n: v for n, v in given.items() if n not in self._parameters and n not in self.dicts}
        self.taken: list[int] = []  # which of forward's outputs backward is given a gradient of
        self._gradient: dict[str, np.ndarray] = {}
        self.shapes: list[tuple[int, ...]] = []
        self.returned, self.outputs = _returned_names(backward), _returned_names(forward)[:-1]
        self.cache: Any = None

    def _given(self) -> list[Any]:
        """What forward is given after its first input: dicts of parameters are put together again."""
        known = {**self._parameters, **self.fixed}
        known |= {name: {key: self._parameters[key] for key in keys} for name, keys in self.dicts.items()}
        return [known[name] for name in self.names[1:]]

    def go(self, x: np.ndarray) -> np.ndarray:
        """The outputs of forward; several are put side by side."""
        name = self.functions[0].__name__
        result = call(name, self.functions[0], x, *self._given())
        if not isinstance(result, tuple) or len(result) < 2:
            what = "None" if result is None else f"a {type(result).__name__}"
            raise Misbehaviour("signature", f"{name} returns {what}, expected (out, cache)", hint="return out, cache")
        self.cache = result[-1]
        try:
            self.taken = self.taken or self._taken(len(result) - 1)
            outs = [np.asarray(result[i], dtype=np.float64) for i in self.taken]
        except (TypeError, ValueError) as error:
            raise Misbehaviour("signature", f"{name} returns something else than numbers before its cache") from error
        self.shapes = [out.shape for out in outs]
        if len(outs) == 1:
            return outs[0] if outs[0].ndim else outs[0].reshape(1)
        if all(out.ndim and len(out) == len(x) for out in outs):
            return np.concatenate([out.reshape(len(x), -1) for out in outs], axis=1)
        return np.concatenate([out.ravel() for out in outs])

    def _taken(self, count: int) -> list[int]:
        """The places of the outputs that backward has gradients of: those with the names of its arguments, else the first."""
        asked = [p.name for p in asks(self.functions[1]) if p.default is p.empty][:-1]
        if not 0 < len(asked) < count:
            return list(range(count))
        named = [next((i for i, n in enumerate(self.outputs) if core(a) == core("d" + n)), -1) for a in asked]
        return list(range(len(asked))) if -1 in named or max(named) >= count else named

    def back(self, delta: np.ndarray) -> np.ndarray | None:
        """The gradient by the input; those of the parameters are kept."""
        name, parts = self.functions[1].__name__, [delta]
        if len(self.shapes) > 1:
            axis = delta.ndim - 1
            sizes = [int(np.prod(shape[axis:])) for shape in self.shapes]
            parts = np.split(delta, np.cumsum(sizes)[:-1], axis=axis)
        given = [part if part.shape == shape else part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        further = [p.name for p in asks(self.functions[1])[len(given) + 1 :]]
        named = {n: self.fixed[n] for n in further if n in self.fixed}
        deltas = [part if part.ndim else float(part) for part in given]
        result = call(name, lambda: self.functions[1](*deltas, self.cache, **named))
        if result is None:
            raise Misbehaviour("not-implemented", f"{name} returns None")
        if isinstance(result, dict):
            own = {core(str(text)): value for text, value in result.items()}
            dx, gradient = own.get(core("d" + self.names[0])), {n: own.get(core("d" + n)) for n in self._parameters}
        else:
            dx, gradient = self._sorted(list(result) if isinstance(result, tuple | list) else [result])
        self._gradient = {n: np.array(v, dtype=np.float64) for n, v in gradient.items() if v is not None}
        return dx

    def _sorted(self, found: list[Any]) -> tuple[Any, dict[str, Any]]:
        """Which gradient belongs to what: by number, else by the names in the line that returns them, else the first ones."""
        names = list(self._parameters)
        if len(found) == len(names) + 1:
            return found[0], dict(zip(names, found[1:], strict=True))
        if len(self.returned) == len(found):
            own = {core(text): value for text, value in zip(self.returned, found, strict=True)}
            if any(core("d" + n) in own for n in self.names):
                return own.get(core("d" + self.names[0])), {n: own[core("d" + n)] for n in names if core("d" + n) in own}
        if len(found) == len(names) and names:
            return None, dict(zip(names, found, strict=True))
        return found[0], dict(zip(names, found[1:], strict=False))


def in_columns(forward: Function) -> bool:
    """Whether a function is named as in a course in which an example is a column: (A, W, b), (A_prev, W, b, activation)."""
    names = [p.name.lower() for p in asks(forward)]
    if names[:1] in (["a"], ["a_prev"]):
        return len(names) > 1 and names[1] in ("w", "hparameters", "hparams")
    return "a_prev" in names or names[1:2] == ["a0"]


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0


def _returned_names(function: Function) -> list[str]:
    """The names in the last line that returns something; empty if it returns no names."""
    value = returned(function)
    items = value.elts if isinstance(value, ast.Tuple) else [value]
    return [item.id for item in items if isinstance(item, ast.Name)] if all(isinstance(i, ast.Name) for i in items) else []


class PairSubject(Subject):
    """A pair of functions behind the three questions."""

    omits = frozenset({ZERO, UPDATE, "__init__"})
    may_couple = undefined = True
    shape_is_defined = False

    def __init__(self, module: Any, x: np.ndarray) -> None:
        super().__init__(module, x)
        self.names[FORWARD] = module.functions[0].__name__
        self.names[DELTA] = self.names[GRADIENT] = module.functions[1].__name__
        self.remembers = self.replaces = True
        self.columns = x.ndim == 2 and in_columns(module.functions[0])

    def examine(self) -> None:
        """Look at what it is; pictures have their channels first."""
        super().examine()
        self.channels_first = self.x.ndim > 2 and not in_columns(self.original.functions[0])
        self.never_infinite = self.out.size == 1  # a loss

    def whole_numbers(self, operation: str) -> Iterator[tuple[str, Callable[[], np.ndarray], Callable[[], np.ndarray]]]:
        """Whole numbers are asked of backward alone: CS231n's own forward gives back the type that it was given."""
        return iter(()) if operation == FORWARD else super().whole_numbers(operation)

    def takes_input(self, operation: str) -> bool:
        """No: it has the cache."""
        return False

    def has(self, operation: str) -> bool:
        """Whether there is such a function."""
        return operation in (FORWARD, DELTA, GRADIENT)

    def invoke(self, operation: str, module: Any, arrays: Sequence[Any]) -> Any:
        """Call one of the two."""
        if operation not in (FORWARD, DELTA, GRADIENT):
            raise Misbehaviour("not-implemented", f"there is no {operation}")
        return module.go(*arrays) if operation == FORWARD else module.back(*arrays)

    def as_output(self, raw: Any, operation: str, x: np.ndarray) -> np.ndarray:
        """What came out, of any shape: the first axis need not count examples."""
        if raw is None:
            raise Misbehaviour("not-implemented", f"{self.names[operation]} returns no gradient of {self.original.names[0]}")
        try:
            return np.array(raw, dtype=np.float64)
        except (TypeError, ValueError) as error:
            text = f"{self.names[operation]} returns {type(raw).__name__} for the gradient of {self.original.names[0]}"
            raise Misbehaviour("crash", text + ", expected an array of numbers") from error

    def argument(self, operation: str, place: int, name: str) -> str:
        """The author's name for an argument of a function."""
        code = self.original.functions[operation != FORWARD].__code__
        return str(code.co_varnames[place]) if place < code.co_argcount else name

    def holds(self, module: Any) -> dict[str, np.ndarray]:
        """The other inputs."""
        return {f"_parameters[{n!r}]": array for n, array in module._parameters.items()}

    def conclude(self, report: Report) -> None:
        """Functions have no class in front, and inputs their own names."""
        in_words(report, self, {f"_parameters[{n!r}]": n for n in (*self.original.names, *self.original._parameters)})
        back, own = self.names[DELTA], (self.original.names[:1], list(self.original._parameters))
        labels = [f"{back}: {', '.join('d' + n for n in names)}" if names else "" for names in own]
        relabel(report, back, [back, *labels] if self.names[FORWARD] == back else labels)  # one function may give both


def check_backward(forward: Function, backward: Function, *inputs: Any) -> Report:
    """Check backward(dout, cache) against differences of forward, for every input that is an array of floats.

    ``out, cache = forward(*inputs)`` and ``dx, dw, db = backward(dout, cache)``: a gradient for each input that has one, in
    the order of the inputs. With several outputs, ``h, c, cache = lstm_forward(...)``, backward takes as many gradients.

    Parameters
    ----------
    forward, backward : functions. They get copies.
    inputs : what forward is given. The first is the input x, (batch, ...) as a rule, or whole numbers such as those of words;
        other arrays of floats are parameters. Anything else, such as a dict with "stride" and "pad", is handed on; in a
        dict, stride, padding and sizes of windows are varied too. Small is best: a few examples of a few numbers.

    Returns
    -------
    report : see `Report`. ``report.raise_if_failed()`` makes a test of it.

    Raises
    ------
    TypeError : if forward or backward is no function, if forward does not take these inputs, or the first is no array.
    """
    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"check_backward: {name} is of type {type(function).__name__}, expected a function")
    if not inputs:
        raise TypeError("check_backward: there are no inputs, expected check_backward(forward, backward, x, w, b)")
    first = np.asarray(inputs[0])
    if first.dtype.kind not in "fiub" or first.ndim == 0 or first.size == 0:
        raise TypeError(
            f"check_backward: the first input is {type(inputs[0]).__name__} of {first.dtype}, shape {first.shape}; expected an "
            "array of numbers with a row an example"
        )
    names = _names(forward, inputs)
    report, subject = _examined(forward, backward, names, inputs)
    _in_other_sizes(report, subject, inputs)
    return report


def _names(forward: Function, inputs: Sequence[Any]) -> list[str]:
    """The names of forward's arguments, one for each input."""
    try:
        signature = inspect.signature(forward)
    except (TypeError, ValueError):
        return [f"input {i}" for i in range(len(inputs))]
    try:
        signature.bind(*inputs)
    except TypeError as error:
        name = getattr(forward, "__name__", "forward")
        raise TypeError(
            f"check_backward: {name}{signature} cannot be called with {len(inputs)} inputs: {error}; "
            "give what it takes, in order"
        ) from None
    plain = [p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [plain[i] if i < len(plain) else f"input {i}" for i in range(len(inputs))]


def _examined(forward: Function, backward: Function, names: Sequence[str], inputs: Sequence[Any]) -> tuple[Report, PairSubject]:
    given = [np.array(v, dtype=np.float64) if _is_numbers(v) and v.dtype != np.float32 else copied(v) for v in inputs]
    one, other = (getattr(f, "__name__", n) for f, n in ((forward, "forward"), (backward, "backward")))
    title = re.sub(r"_?(forward|fwd)(_naive)?$", "", one) or "functions"
    functions = [_named(f, n) for f, n in ((forward, one), (backward, other))]
    kind = type(title, (_Pair,), {n: f for n, f in zip((one, other), functions, strict=True) if inspect.isfunction(f)})
    x = np.array(given[0])
    subject = PairSubject(kind(*functions, names, given), x if x.dtype.kind in "iu" else x.astype(np.float64))
    named = zip(names, given, strict=True)
    shapes = ", ".join(f"{n} {v.shape}" if isinstance(v, np.ndarray) else f"{n}={_said(v)}" for n, v in named)
    report = Report(f"{one} and {other} on {shapes}")
    examination = Examination(subject, report)
    settle(examination, drawn=False)
    examination.carry_out((operation, probes) for operation, probes in PLAN if operation not in subject.omits)
    subject.conclude(report)
    _shapes(report, examination)
    for finding in report.findings:
        finding.locate(kind)
        finding.where = finding.where.removeprefix(f"{title}.")
    return report, subject


def _said(value: Any) -> str:
    """What is no array in words: a dict of arrays by its keys."""
    arrays = isinstance(value, dict) and any(map(_is_numbers, value.values()))
    return f"{{{', '.join(value)}}}" if arrays else repr(value)


def _named(function: Function, name: str) -> Function:
    if hasattr(function, "__name__") and hasattr(function, "__code__"):
        return function

    def named(*arguments: Any) -> Any:
        return function(*arguments)

    named.__name__ = name
    return named


def _shapes(report: Report, e: Examination) -> None:
    """Gradients that have the numbers, but not the shape, of what they belong to."""
    wrong = report.findings
    for name, array in e.subject.parameters(e.subject.fresh()).items():
        got, q = e.first.get(name), e.questions.get(name)
        if got is None or q is None or not q.right or got.shape == array.shape:
            continue
        own = name.split("'")[1]
        where = f"{e.subject.name}.{e.subject.names[GRADIENT]}"
        text = f"the gradient of {own} has shape {got.shape}, expected {array.shape}, that of {own}."
        wrong.append(Finding("shape", where, text, "without keepdims, or reshape it"))
        last = [i for i, row in enumerate(report.verdicts) if row[0].startswith(f"{e.subject.names[GRADIENT]}: ")][-1:]
        for i in last:
            operation, word, remark = report.verdicts[i]
            remarks = ", ".join([remark] * (word == "wrong" and "shape" not in remark) + ["shape"])
            report.verdicts[i] = (operation, "wrong", remarks)


# --- other strides, paddings and windows -----------------------------------------------------------------------------


def _in_other_sizes(report: Report, subject: PairSubject, inputs: Sequence[Any]) -> None:
    """Try what the dict of options leaves out; what it shows gets the name of the option it depends on."""
    pair = subject.original
    said = {(f.kind, f.where) for f in report.findings}
    if any(f.where == subject.names[FORWARD] for f in report.findings):
        return
    general = [f for f in report.findings if f.kind in _GENERAL]
    mended = not general
    for key, value, kind, changed in _variants(inputs):
        try:
            other, _ = _examined(pair.functions[0], pair.functions[1], pair.names, changed)
        except (Misbehaviour, TypeError, ValueError):
            continue
        if any(f.where == subject.names[FORWARD] for f in other.findings):
            continue  # a size that forward does not take
        if general and not other.findings:
            for finding in general:
                finding.message = f"{finding.message.rstrip('.')}; with {key}={value} it is right."
                finding.kind = kind
                finding.hint = _HINTS[kind]
            general = []
        for finding in other.findings:
            if kind == "uncovered" and ("stride", finding.where) in said and finding.kind in _GENERAL:
                continue  # a stride of that size, too
            if mended and finding.kind in _GENERAL:
                finding.kind, finding.hint = kind, _HINTS[kind]
            if mended and (finding.kind, finding.where) not in said:
                said.add((finding.kind, finding.where))
                finding.message = f"with {key}={value}: {finding.message}"
                report.findings.append(finding)
                report.verdict(f"with {key}={value}", right=False, remark=finding.kind)


def _variants(inputs: Sequence[Any]) -> Iterator[tuple[str, int, str, list[Any]]]:
    """Other inputs: (the option, its value, the kind of a mistake that only this shows, the inputs)."""
    for place, given in enumerate(inputs):
        if not isinstance(given, dict):
            continue
        window = next((v for k, v in given.items() if re.search("height|width|size|^f$", str(k)) and isinstance(v, int)), None)
        if window is None:
            filters = next((v for v in inputs[1:] if isinstance(v, np.ndarray) and v.ndim >= 3), None)
            window = filters.shape[-1] if filters is not None else 2
        for key, value in given.items():
            if not isinstance(value, int) or isinstance(value, bool):
                continue
            values: list[tuple[int, str]] = []
            if re.search("stride|step", str(key)):
                values = [(1, "overlap" if window > 1 else "stride"), (2, "stride")]
                values += [(window, "stride"), (window + 1, "uncovered")]
            elif "pad" in str(key):
                values = [(0, "padding"), (1, "padding"), (2, "padding")]
            for other, kind in dict(values).items():
                if other != value:
                    changed = list(inputs)
                    changed[place] = {**copy.deepcopy(given), key: other}
                    yield str(key), other, kind, changed
