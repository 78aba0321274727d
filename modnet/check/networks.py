"""check_network: each layer at its own input, then the chain.

A network that is wrong is most often right in its chain and wrong in one layer; so layers come first, each at the input that
the network's own forward gives it. What is left is how they are put together; how they are moved is `check_steps`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from types import MethodType
from typing import Any

import numpy as np

from modnet.check.losses import check_loss
from modnet.check.modules import check_module
from modnet.check.numeric import EPS, derivative
from modnet.check.question import Question, chosen_entries
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call, copied, gradients, looks_trained, parameters, quote, same_draws
from modnet.engine.program import is_ours, is_wired
from modnet.watch import activations


def layers_of(net: Any) -> list[Any]:
    """The layers of a network: by iteration, by indexing, in a list attribute, else in attributes; a lone module is its own."""
    for get in (_by_iteration, _by_index, _by_list, _by_attributes) if not is_ours(net) else ():
        found = get(net)
        if found:
            return [leaf for layer in found for leaf in (layers_of(layer) if layer is not net else [layer])]
    return [net]


def _containers_of(net: Any, seen: set[int]) -> Iterator[Any]:
    """The library's containers that a student's network holds: what it calls as one, though their layers are many."""
    for get in (_by_iteration, _by_index, _by_list, _by_attributes) if not is_ours(net) else ():
        for layer in get(net):
            if id(layer) not in seen:
                seen.add(id(layer))
                if is_wired(layer):
                    yield layer
                else:
                    yield from _containers_of(layer, seen)


def _is_layer(value: Any) -> bool:
    return callable(getattr(value, "forward", None)) and not isinstance(value, type)


def _by_iteration(net: Any) -> list[Any]:
    if not callable(getattr(net, "__iter__", None)):
        return []
    try:
        found = list(net)
    except Exception:  # a stranger's iterator
        return []
    return found if found and all(map(_is_layer, found)) else []


def _by_index(net: Any) -> list[Any]:
    if not (callable(getattr(net, "__getitem__", None)) and callable(getattr(net, "__len__", None))):
        return []
    try:
        found = [net[i] for i in range(len(net))]
    except Exception:  # a stranger's container
        return []
    return found if found and all(map(_is_layer, found)) else []


def _by_list(net: Any) -> list[Any]:
    for value in getattr(net, "__dict__", {}).values():
        if isinstance(value, list | tuple) and value and all(map(_is_layer, value)):
            return list(value)
    return []


def _by_attributes(net: Any) -> list[Any]:
    values = getattr(net, "__dict__", {}).values()
    return [v for v in values if _is_layer(v) and callable(getattr(v, "backward_delta", None))]


def label_of(i: int, layer: Any) -> str:
    """How a report calls a layer of a student's network."""
    return f"layer {i} {type(layer).__name__}"


def recorded(net: Any, X: np.ndarray) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """The network's output, and the input each layer gets."""
    twin = copied(net)
    layers, seen = layers_of(twin), _Inputs()
    for layer in {id(layer): layer for layer in layers}.values():
        seen.record(layer)
    if is_wired(twin):
        out = seen.look_into(twin, X)
    else:
        containers = list(_containers_of(twin, set()))
        for container in containers:
            seen.record(container)
        out = call(f"{type(net).__name__}.forward", twin.forward, X.copy())
        if out is None:
            raise Misbehaviour("not-implemented", f"{type(net).__name__}.forward returns None")
        for container in containers:
            given = seen.of(container)
            if given is not None:
                seen.look_into(container, given)
    return np.asarray(out), [seen.of(layer) for layer in layers]


class _Inputs:
    """What each module was given, call by call. One that is used at several places is asked about as often."""

    def __init__(self) -> None:
        self.given: dict[int, list[np.ndarray]] = {}
        self.asked: dict[int, int] = {}

    def record(self, module: Any) -> None:
        """Note what forward of this module is given from now on, when Python calls it."""
        with suppress(AttributeError):  # one that takes no attributes
            module.forward = _Recorder(self, module, module.forward)

    def note(self, module: Any, x: Any) -> None:
        self.given.setdefault(id(module), []).append(np.array(x))

    def look_into(self, container: Any, X: np.ndarray) -> Any:
        """Note what the library's modules in one of its containers are given: they run as rows, and nobody calls them."""
        steps = call(f"{type(container).__name__}.forward", activations, container, X)
        for step in steps:
            if is_ours(step.module):
                whole = getattr(step.module, "reads_whole_numbers", False)
                self.note(step.module, step.input.astype(np.int64) if whole else step.input)
        return steps.output

    def of(self, module: Any) -> np.ndarray | None:
        """The input of a module's next place; None if it was never called."""
        given, k = self.given.get(id(module), []), self.asked.get(id(module), 0)
        self.asked[id(module)] = k + 1
        return given[min(k, len(given) - 1)] if given else None


class _Recorder:
    """In the place of a module's forward: notes its input. A deep copy of the module has its own forward again."""

    def __init__(self, inputs: _Inputs, module: Any, forward: Any) -> None:
        self.inputs, self.module, self.forward = inputs, module, forward

    def __call__(self, x: Any) -> Any:
        self.inputs.note(self.module, x)
        return self.forward(x)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = memo.get(id(self.module))
        return self.forward if twin is None else MethodType(type(twin).forward, twin)


def check_network(net: Any, loss: Any, X: Any, y: Any) -> Report:
    """Check a network: each of its layers at its own input, the loss at its output, then the chain as a whole.

    Parameters
    ----------
    net : ours, or a student's: its layers are found through iteration, indexing, or a list attribute. It is left as it is.
    loss : ours, or any object with forward(y, yhat) and backward(y, yhat).
    X : (batch, ...). y : (batch, ...), as the loss takes it. A few examples are enough.

    Returns
    -------
    report : see `Report`. The first cause alone: what is wrong in a layer is not said again about the chain.
    """
    name = type(net).__name__
    X, y = np.array(X), np.array(y)
    X = X if X.dtype.kind == "f" or needs_integers(net, X) else X.astype(np.float64)
    report = Report(f"{name} of {len(layers_of(net))} layers, with {type(loss).__name__}, on {len(X)} examples")
    try:
        with np.errstate(all="ignore"):
            out, seen = recorded(net, X)
            _layers(report, net, seen)
            inner = check_loss(loss, y, out)
            _take(report, type(loss).__name__, inner)
            if report.ok:
                _chain(report, net, loss, X, y, seen)
            else:
                report.verdict("the chain", right=None, remark="layers and loss first")
    except Misbehaviour as problem:
        report.findings.append(Finding(problem.kind, name, problem.message + ".", hint_for(problem), line=problem.line))
        report.verdict("the chain", right=False, remark=problem.kind)
    return report


def needs_integers(net: Any, X: np.ndarray) -> bool:
    """Whether a network takes these integers, but not the same numbers as floats: it begins with an embedding."""
    if any(getattr(layer, "reads_whole_numbers", False) for layer in layers_of(net)):
        return True
    return _takes(net, X) and not _takes(net, X.astype(np.float64))


def _takes(net: Any, X: np.ndarray) -> bool:
    try:
        call("forward", copied(net).forward, X.copy())
    except Misbehaviour:
        return False
    return True


def hint_for(problem: Misbehaviour) -> str:
    """What to look at after a call that failed."""
    return {
        "crash": "that line: print the shapes of what it is given, and compare them with what each layer takes",
        "not-implemented": "write it; the handout's skeleton has its name and arguments",
        "shape": "the first axis counts examples",
    }.get(problem.kind, "")


def _take(report: Report, label: str, inner: Report) -> None:
    for finding in inner.findings:
        finding.where = finding.where if label in finding.where else f"{label}: {finding.where}"
    report.findings += inner.findings
    kinds = ", ".join(dict.fromkeys(f.kind for f in inner.findings))
    report.verdict(label, right=inner.ok, remark=kinds)


def _layers(report: Report, net: Any, seen: list[np.ndarray | None]) -> None:
    known: dict[tuple[type, str], bool] = {}
    for i, (layer, x) in enumerate(zip(layers_of(net), seen, strict=True)):
        label = label_of(i, layer)
        if x is None:
            report.findings.append(
                Finding(
                    "forward",
                    label,
                    f"forward of {type(net).__name__} never calls this layer.",
                    "the loop over the layers: does it reach them all?",
                    line=quote(type(net), "forward", r"\bfor\b", r"forward"),
                )
            )
            report.verdict(label, right=False, remark="forward")
            continue
        inner = check_module(layer, x)
        # The same mistake of the same class is one mistake.
        fresh = [f for f in inner.findings if (type(layer), f.kind) not in known]
        known.update({(type(layer), f.kind): True for f in inner.findings})
        again = bool(inner.findings) and not fresh
        inner.findings = fresh
        _take(report, label, inner)
        if again:
            report.verdicts[-1] = (label, "wrong", "as above")


# --- the chain -------------------------------------------------------------------------------------------------------


def backward_of(net: Any, X: np.ndarray, delta: np.ndarray) -> Any:
    """Let a network do its backward, in the ways students write it."""
    name = type(net).__name__
    if callable(getattr(net, "backward_update_gradient", None)):
        return call(f"{name}.backward_update_gradient", net.backward_update_gradient, X.copy(), delta.copy())
    # Some do both jobs in one method.
    method = getattr(net, "backward", None) or getattr(net, "backward_delta", None)
    if not callable(method):
        raise Misbehaviour("not-implemented", f"{name} has no backward_update_gradient(input, delta)")
    takes = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    return call(f"{name}.{method.__name__}", method, *((X.copy(), delta.copy()) if len(takes) == 2 else (delta.copy(),)))


def _chain(report: Report, net: Any, loss: Any, X: np.ndarray, y: np.ndarray, seen: list[np.ndarray | None]) -> None:
    name = type(net).__name__
    twin = copied(net)
    yhat = call(f"{name}.forward", twin.forward, X.copy())
    delta = np.asarray(loss.backward(y, np.asarray(yhat)))
    if callable(getattr(twin, "zero_grad", None)):
        call(f"{name}.zero_grad", twin.zero_grad)
    if any(np.any(g) for layer in layers_of(twin) for n, g in gradients(layer).items() if "_parameters" in n or "grad" in n):
        report.findings.append(
            Finding(
                "never-zeroed",
                f"{name}.zero_grad",
                "after zero_grad of the network some layer's gradient is not zero.",
                "call zero_grad of every layer",
                line=quote(type(net), "zero_grad", r"\w"),
            )
        )
        report.verdict("the chain", right=False, remark="never-zeroed")
        return
    given = X.copy()
    backward_of(twin, X, delta)
    if not np.array_equal(given, X):
        raise Misbehaviour("mutates", f"{name} writes into its input")
    probe = copied(net)
    # A network that draws by itself draws anew at every call: each value of the loss then needs a copy that draws the same.
    first, second = (np.asarray(call(f"{name}.forward", probe.forward, X.copy())) for _ in range(2))
    draws = not np.array_equal(first, second, equal_nan=True)
    probe = copied(net) if draws else probe
    layers, done = layers_of(probe), layers_of(twin)
    precision = (
        float(np.finfo(np.float32).eps)
        if X.dtype == np.float32 or any(a.dtype == np.float32 for layer in layers for a in parameters(layer).values())
        else EPS
    )
    error, where = 0.0, f"{name}.backward_update_gradient"
    line = quote(type(net), "backward_update_gradient", r"backward_update_gradient", r"for") or quote(
        type(net), "backward", r"backward"
    )
    for i in reversed(range(len(layers))):
        answers = gradients(done[i])
        for key, array in parameters(layers[i]).items():
            if not looks_trained(key):
                continue

            def f(values: np.ndarray, array: np.ndarray = array) -> np.ndarray:
                array[...] = values
                with same_draws():
                    yhat = (copied(probe) if draws else probe).forward(X.copy())
                    return np.asarray(loss.forward(y, np.asarray(yhat)), np.float64).ravel()

            start, entries = array.copy(), chosen_entries(array.size)
            found = derivative(f, start.astype(np.float64), entries, precision)
            array[...] = start
            q = Question(
                where,
                X,
                np.ones(len(X)),
                np.ones(found.value.shape[1]),
                found,
                entries,
                array.shape,
                1e-5 if precision == EPS else 5e-3,
            )
            q.line = line
            if "_parameters" in key:
                fits = [g for n, g in answers.items() if n == key and g.size == array.size]
            else:
                fits = [g for n, g in answers.items() if n != key and "_parameters" not in n and g.size == array.size]
                fits.sort(key=lambda g: not g.any())
            if not fits:
                continue
            for got in fits:
                q.answer(got)
                if q.right:
                    break
            else:
                q.answer(fits[0])
            error = max(error, q.error if q.right else 0.0)
            if not q.right:
                report.findings.append(_guess_chain(q, net, loss, X, y, i, key, seen))
                report.verdict("the chain", right=False, remark=report.findings[-1].kind)
                return
    report.verdict("the chain", error)


def _guess_chain(
    q: Question, net: Any, loss: Any, X: np.ndarray, y: np.ndarray, i: int, key: str, seen: list[np.ndarray | None]
) -> Finding:
    """Every layer is right alone: find what the network has given to this one."""
    layers = layers_of(copied(net))
    label = label_of(i, layers[i])
    if not q.got.any():
        return q.finding(
            "missing-parameter",
            f"{label} gets no gradient from the network's backward.",
            "the loop over the layers, from the last to the first: does it reach this one?",
        )
    power = float(q.truth @ q.truth)
    factor = float(q.got @ q.truth) / power if power else 0.0
    if factor and q.is_like(factor * q.truth):
        kind = "sign" if abs(factor + 1) < 1e-4 else "double-counts" if abs(factor - 2) < 1e-4 else "scale"
        return q.finding(
            kind,
            f"the gradient of {label} is {factor:.6g} times the truth.",
            "the network's backward: is delta changed, or backward_update_gradient called, twice on the way?",
        )
    # What each layer should get, from the layers themselves.
    delta = np.asarray(loss.backward(y, np.asarray(copied(net).forward(X.copy()))))
    deltas: dict[int, np.ndarray] = {}
    try:
        for j in reversed(range(len(layers) if _is_chain(layers, seen) else 0)):
            deltas[j] = delta
            delta = np.asarray(layers[j].backward_delta(np.array(seen[j]), delta.copy()))
    except Exception:  # layers that are no chain
        deltas = {}
    for j in range(len(layers) + 1):
        given = np.array(seen[j]) if j < len(layers) and seen[j] is not None else np.asarray(copied(net).forward(X.copy()))
        for k, d in deltas.items():
            if (j, k) == (i, i):
                continue
            layer = copied(layers_of(net)[i])
            try:
                layer.zero_grad()
                layer.backward_update_gradient(given.copy(), d.copy())
            except Exception:  # shapes that do not fit: not this
                continue
            size = int(np.prod(q.shape))
            named = {n: g for n, g in gradients(layer).items() if g.size == size and (n == key) == ("_parameters" in key)}
            if any(q.is_like(g) for g in named.values()):
                if k == i:
                    place = "its own output" if j == i + 1 else f"the input of layer {j}"
                    return q.finding(
                        "at-output",
                        f"{label} is given {place} instead of its own input.",
                        "keep the input of every layer in forward: inputs[i] goes to layer i, inputs[i + 1] is its output",
                    )
                return q.finding(
                    "identity" if k > i else "direction",
                    f"{label} is given the delta of layer {k}.",
                    "delta = layer.backward_delta(input of that layer, delta), after its backward_update_gradient and before "
                    "the layer below",
                )
    norms = float(np.linalg.norm(q.got)), float(np.linalg.norm(q.truth))
    cosine = float(q.got @ q.truth) / (norms[0] * norms[1] or 1.0)
    return q.finding(
        "direction",
        f"the gradient of {label} is wrong in the network, though the layer is right alone: cosine {cosine:.3g}, "
        f"ratio of lengths {norms[0] / (norms[1] or 1.0):.3g}.",
        "what the network's backward gives this layer: its own input, and the delta that the layer above returned",
    )


def _is_chain(layers: list[Any], seen: list[np.ndarray | None]) -> bool:
    """Whether each layer is given what the one before it returned."""
    for layer, x, after in zip(layers, seen, seen[1:]):
        if x is None or after is None:
            return False
        out = np.asarray(call("forward", copied(layer).forward, x.copy()))
        if out.shape != after.shape or not np.allclose(out, after, equal_nan=True):
            return False
    return True
