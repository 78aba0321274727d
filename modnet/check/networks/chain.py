"""How a network puts its layers together: the loss at its output, what backward gives to each layer, what its update moves.

It is one examination, from the loss down to the first layer, and so one long file.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.arrays import copied, gradients, is_gradient, looks_trained, parameters
from modnet.check.draws import same_draws
from modnet.check.layers import containers_of, hint_for, label_of, last_output, layers_of
from modnet.check.lines import quote
from modnet.check.networks.twice import second, upwards
from modnet.check.networks.wiring import Event, Trace, backward, backward_method, chain_of, does_nothing, filled
from modnet.check.numeric import EPS, derivative
from modnet.check.question import Question, chosen_entries
from modnet.check.report import Finding, Report
from modnet.check.subject import DELTA, GRADIENT, UPDATE, Misbehaviour, call
from modnet.engine.program import is_ours, is_wired

# --- the loss at the network's output --------------------------------------------------------------------------------


def misfit(net: Any, loss: Any, y: np.ndarray, yhat: np.ndarray) -> Finding | None:
    """Whether the loss is for something else than what the network gives: shapes, scores, probabilities."""
    where = f"{type(net).__name__} with {type(loss).__name__}"

    def losses(prediction: np.ndarray) -> np.ndarray | None:
        try:
            return np.asarray(call("forward", copied(loss).forward, y.copy(), prediction.copy()), np.float64)
        except (Misbehaviour, TypeError, ValueError):
            return None

    here = losses(yhat)
    if here is None:
        return None
    n = len(yhat)
    if n > 1 and {y.shape, yhat.shape} == {(n,), (n, 1)} and here.size == n * n:
        return Finding(
            "shape",
            where,
            f"y has shape {y.shape} and yhat {yhat.shape}: together they make a table of {n} times {n}, all against all.",
            "give both the same shape: y.reshape(-1, 1), or yhat[:, 0]",
        )
    if yhat.ndim < 2 or yhat.shape[-1] < 2:
        return None
    probable = bool(yhat.min() >= 0 and np.allclose(yhat.sum(axis=-1), 1, atol=1e-6))
    moved = losses(yhat + np.linspace(0.1, 0.7, n).reshape(-1, *(1,) * (yhat.ndim - 1)))
    takes_scores = moved is not None and moved.shape == here.shape and np.allclose(moved, here, rtol=1e-6, atol=1e-9)
    if probable and takes_scores and here.size > 1 and np.ptp(here) > 0:
        return Finding(
            "softmax-twice",
            where,
            "the network ends in a softmax, and the loss applies one again: it takes scores.",
            "leave the softmax out of the network, or take the loss of probabilities, -sum(y log yhat)",
        )
    if not np.isfinite(here).all():
        e = np.exp(yhat - yhat.max(axis=-1, keepdims=True))
        at_probabilities = losses(e / e.sum(axis=-1, keepdims=True))
        if at_probabilities is not None and np.isfinite(at_probabilities).all() and (yhat.min() < 0 or yhat.max() > 1):
            return Finding(
                "not-probabilities",
                where,
                "the loss takes probabilities, but the network gives scores, negative ones and larger than 1 too.",
                "end the network in a softmax or a sigmoid, or take the loss of scores",
            )
    return None


# --- the chain -------------------------------------------------------------------------------------------------------


def examine_chain(net: Any, loss: Any, X: np.ndarray, y: np.ndarray, right: bool) -> Report:
    """The report on how a network puts its layers together, whether they are right themselves or not.

    Parameters
    ----------
    right : whether all layers are: then the gradients are compared with differences of the loss, too.
    """
    name = type(net).__name__
    report = Report(f"{name} of {len(layers_of(net))} layers, on {len(X)} examples")
    try:
        with same_draws(), np.errstate(all="ignore"):
            chain(report, net, loss, X, y, numeric=right)
    except Misbehaviour as problem:
        where = name if "." not in problem.message.split(" raises ")[0] else problem.message.split(" raises ")[0]
        _failed(report, Finding(problem.kind, where, problem.message + ".", hint_for(problem), line=problem.line))
    return report


def chain(report: Report, net: Any, loss: Any, X: np.ndarray, y: np.ndarray, numeric: bool = True) -> None:
    """Add to a report how the network's backward and update treat its layers; numeric also compares the gradients."""
    name, method = type(net).__name__, backward_method(net)
    if method and does_nothing(getattr(net, method)):
        text, line = f"{method} of {name} does nothing.", quote(type(net), method, r"pass|return", r"\w")
        _failed(
            report,
            Finding(
                "not-implemented", f"{name}.{method}", text, "the loop over the layers, from the last to the first", line=line
            ),
        )
        return
    own = not is_wired(net) and not list(containers_of(net, set()))
    twin, trace, delta, begun = _prepared(report, net, loss, X, y, own)
    if not report.ok:
        return
    given, first, layers = X.copy(), False, list(layers_of(twin))
    try:
        backward(twin, X, y, trace.raw, delta, loss)
    except Misbehaviour:
        if upwards(net, trace, begun) is None:
            # Some keep in backward_delta what backward_update_gradient needs.
            if method != GRADIENT or not callable(getattr(net, DELTA, None)) or does_nothing(getattr(net, DELTA)):
                raise
            twin, trace, delta, begun = _prepared(report, net, loss, X, y, own)
            first, layers = True, list(layers_of(twin))
            backward(twin, X, y, trace.raw, delta, loss, method=DELTA)
            backward(twin, X, y, trace.raw, delta, loss)
    if not np.array_equal(given, X):
        raise Misbehaviour("mutates", f"{name} writes into its input")
    steps, calls = trace.of(UPDATE, since=begun), chain_of(trace, X) if own else None
    error, finding = 0.0, upwards(net, trace, begun)
    if finding is None and calls is not None:
        finding = _judge(trace, calls, net, delta, begun)
    elif finding is None and (steps or not numeric):
        report.verdict("the chain", right=None, remark="its layers are not called one after the other on the batch")
        return
    if finding is None and numeric and not steps:
        finding, error = _compare(net, layers, loss, X, y)
        finding = finding or second(net, loss, X, y, first)
    if finding is not None:
        finding.where = finding.where or f"{name}.{method}"
        finding.line = finding.line or quote(type(net), method, r"backward_update_gradient", r"backward", r"for")
        _failed(report, finding)
        return
    report.verdict("the chain", error, remark="each layer is given its own input and delta" if steps or not numeric else "")
    finding = _network_update(net, loss, X, y, first) if not steps else None
    if finding is not None:
        report.findings.append(finding)
        report.verdict("update_parameters", right=False, remark=finding.kind)


def _prepared(
    report: Report, net: Any, loss: Any, X: np.ndarray, y: np.ndarray, own: bool
) -> tuple[Any, Trace, np.ndarray, int]:
    """A copy of the network after forward, with its gradients at zero; its trace, delta, and where backward begins in it."""
    name = type(net).__name__
    twin = copied(net)
    layers = layers_of(twin)
    trace = Trace(layers if own else [])
    trace.raw = call(f"{name}.forward", twin.forward, X.copy())
    delta = np.asarray(loss.backward(y, last_output(trace.raw, X, len(layers))))
    if callable(getattr(twin, "zero_grad", None)):
        call(f"{name}.zero_grad", twin.zero_grad)
        left = [i for i, layer in enumerate(layers) if _has_gradient(layer)]
        if left:
            finding = Finding(
                "never-zeroed",
                f"{name}.zero_grad",
                f"after zero_grad of the network the gradient of {label_of(left[0], layers[left[0]])} is not zero.",
                "call zero_grad of every layer",
                line=quote(type(net), "zero_grad", r"\w"),
            )
            _failed(report, finding)
    return twin, trace, delta, len(trace.events)


def _failed(report: Report, finding: Finding) -> None:
    report.findings.append(finding)
    report.verdict("the chain", right=False, remark=finding.kind)


def _has_gradient(layer: Any) -> bool:
    return any(np.any(g) for n, g in gradients(layer).items() if is_gradient(n))


def _judge(trace: Trace, chain: list[Event], net: Any, delta: np.ndarray, begun: int) -> Finding | None:
    """From what each layer was given in backward: the first call, from the last layer down, that is not as it must be."""
    wanted: np.ndarray = delta
    fresh = layers_of(copied(net))
    by_layer: dict[int, np.ndarray] = {}
    for k in reversed(range(len(chain))):
        i = chain[k].layer
        which, layer = label_of(i, trace.layers[i]), fresh[i]
        by_layer[i] = wanted
        gradient, back = trace.of(GRADIENT, i, begun), trace.of(DELTA, i, begun)
        trained = [n for n in parameters(layer) if looks_trained(n)]
        if trained and not gradient:
            return Finding(
                "missing-parameter",
                "",
                f"{which} gets no gradient from the network's backward.",
                "the loop over the layers, from the last to the first: does it reach this one?",
            )
        if trained and len(gradient) > 1:
            return Finding(
                "double-counts",
                "",
                f"backward_update_gradient of {which} is called {len(gradient)} times for one delta.",
                "once for each layer",
            )
        updated = trace.of(UPDATE, i, begun)
        if updated and back and updated[0][0] < back[-1][0] and _moved(updated[0][1], back[-1][1]):
            return Finding(
                "updates-first",
                "",
                f"the parameters of {which} are moved before delta has gone through them.",
                "delta = layer.backward_delta(input, delta) first, then update_parameters; or move all layers after the loop",
            )
        for _, event in [*(gradient if trained else []), *back]:
            finding = _call_as_wanted(event, chain, k, wanted, by_layer, which)
            if finding is not None:
                finding.line = quote(type(net), backward_method(net), event.operation)
                return finding
        if k:
            with suppress(Exception):  # a layer that remembers its input needs a forward
                layer.forward(chain[k].x.copy())  # type: ignore[union-attr]
            arguments = filled(layer.backward_delta, {"X": chain[k].x, "delta": wanted}, (("delta",), ("X", "delta")))
            wanted = np.asarray(call("backward_delta", layer.backward_delta, *[np.array(a) for a in arguments or ()]))
    return None


def _moved(before: Event, after: Event) -> bool:
    return any(not np.array_equal(a, b) for a, b in zip(before.parameters, after.parameters, strict=False))


def _call_as_wanted(
    event: Event, chain: list[Event], k: int, wanted: np.ndarray, by_layer: dict[int, np.ndarray], which: str
) -> Finding | None:
    """Whether a call of a layer's backward was given the layer's own input and delta."""
    x = chain[k].x
    if event.x is not None and (x is None or event.x.shape != x.shape or not np.allclose(event.x, x)):
        place = next(
            (
                j
                for j, e in enumerate(chain)
                if j != k and e.x is not None and e.x.shape == event.x.shape and np.allclose(e.x, event.x)
            ),
            None,
        )
        own = (
            isinstance(chain[k].out, np.ndarray) and chain[k].out.shape == event.x.shape and np.allclose(chain[k].out, event.x)
        )
        text = "its own output" if own else "another array" if place is None else f"the input of layer {chain[place].layer}"
        return Finding(
            "at-output",
            "",
            f"{event.operation} of {which} is given {text} instead of its own input.",
            "keep the input of every layer in forward: inputs[i] goes to layer i, inputs[i + 1] is its output",
        )
    got = event.delta
    if got is None or (got.shape == wanted.shape and np.allclose(got, wanted, rtol=1e-6, atol=1e-12)):
        return None
    if got.shape == wanted.shape:
        power = float((wanted * wanted).sum())
        factor = float((got * wanted).sum()) / power if power else 0.0
        if factor and np.allclose(got, factor * wanted, rtol=1e-5, atol=1e-9):
            batch = abs(factor * len(wanted) - 1) < 1e-6
            name = f"1/{len(wanted)}, one over the size of the batch" if batch else f"{factor:.6g}"
            return Finding(
                _of_factor(factor),
                "",
                f"delta at {which} is {name}, times what it must be.",
                "the network passes delta on as it is; whoever trains divides by the size of the batch, once",
            )
    other = next((i for i, d in by_layer.items() if d.shape == got.shape and np.allclose(d, got)), None)
    if other is not None:
        return Finding(
            "identity",
            "",
            f"{event.operation} of {which} is given the delta of layer {other}.",
            "delta = layer.backward_delta(input of that layer, delta), after its backward_update_gradient and before the layer "
            "below",
        )
    return Finding(
        "direction",
        "",
        f"{event.operation} of {which} is given a delta that is not what the layer above returned for its own input and delta.",
        "delta = layer.backward_delta(input of that layer, delta), and nothing else",
    )


def _of_factor(factor: float) -> str:
    """The kind of a mistake that multiplies by this."""
    return "sign" if abs(factor + 1) < 1e-4 else "double-counts" if abs(factor - 2) < 1e-4 else "scale"


def _compare(net: Any, done: list[Any], loss: Any, X: np.ndarray, y: np.ndarray) -> tuple[Finding | None, float]:
    """The gradient of every parameter in the layers that backward is done with, against differences of the loss."""
    name = type(net).__name__
    probe = copied(net)
    # A network that draws by itself draws anew at every call: each value of the loss then needs a copy that draws the same.
    first, second = (last_output(call(f"{name}.forward", probe.forward, X.copy()), X) for _ in range(2))
    draws = not np.array_equal(first, second, equal_nan=True)
    probe = copied(net) if draws else probe
    layers = layers_of(probe)
    precision = (
        float(np.finfo(np.float32).eps)
        if X.dtype == np.float32 or any(a.dtype == np.float32 for layer in layers for a in parameters(layer).values())
        else EPS
    )
    error = 0.0
    for i in reversed(range(len(layers))):
        answers = gradients(done[i])
        for key, array in parameters(layers[i]).items():
            if not looks_trained(key):
                continue

            def f(values: np.ndarray, array: np.ndarray = array) -> np.ndarray:
                array[...] = values
                with same_draws():
                    raw = (copied(probe) if draws else probe).forward(X.copy())
                    return np.asarray(loss.forward(y, last_output(raw, X, len(layers))), np.float64).ravel()

            start, entries = array.copy(), chosen_entries(array.size)
            found = derivative(f, start.astype(np.float64), entries, precision)
            array[...] = start
            q = Question(
                "",
                X,
                np.ones(len(X)),
                np.ones(found.value.shape[1]),
                found,
                entries,
                array.shape,
                1e-5 if precision == EPS else 5e-3,
            )
            q.by = "dL/dparameters"
            if is_gradient(key) and "_parameters" in key:
                fits = [g for n, g in answers.items() if n == key and g.size == array.size]
            else:
                others = {n: g for n, g in answers.items() if n != key and not n.startswith("_parameters")}
                fits = [g for g in others.values() if g.size == array.size]
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
                return _guess(q, layers, i), error
    return None, error


def _guess(q: Question, layers: list[Any], i: int) -> Finding:
    """Every layer is right alone, and its gradient is not."""
    which = label_of(i, layers[i])
    if not q.got.any():
        return q.finding(
            "missing-parameter",
            f"{which} gets no gradient from the network's backward.",
            "the loop over the layers, from the last to the first: does it reach this one?",
        )
    factor = q.factor(q.truth)
    if factor:
        return q.finding(
            _of_factor(factor),
            f"the gradient of {which} is {factor:.6g} times the truth.",
            "the network's backward: is delta changed, or backward_update_gradient called, twice on the way?",
        )
    norms = float(np.linalg.norm(q.got)), float(np.linalg.norm(q.truth))
    cosine = float(q.got @ q.truth) / (norms[0] * norms[1] or 1.0)
    return q.finding(
        "direction",
        f"the gradient of {which} is wrong in the network, though the layer is right alone: cosine {cosine:.3g}, "
        f"ratio of lengths {norms[0] / (norms[1] or 1.0):.3g}.",
        "what the network's backward gives this layer: its own input, and the delta that the layer above returned",
    )


def _network_update(net: Any, loss: Any, X: np.ndarray, y: np.ndarray, first: bool) -> Finding | None:
    """Whether update_parameters of a network of another's moves every layer's parameters by the rate, if it has one.

    With `first`, its backward_delta has to go first.
    """
    method = getattr(net, UPDATE, None)
    if is_ours(net) or is_wired(net) or not callable(method) or does_nothing(method):
        return None
    name = type(net).__name__
    moves: list[list[dict[str, np.ndarray]]] = []
    for rate in (0.1, 0.2):
        twin = copied(net)
        raw = call(f"{name}.forward", twin.forward, X.copy())
        delta = np.asarray(loss.backward(y, last_output(raw, X, len(layers_of(twin)))))
        if callable(getattr(twin, "zero_grad", None)):
            call(f"{name}.zero_grad", twin.zero_grad)
        if first:
            backward(twin, X, y, raw, delta, loss, method=DELTA)
        backward(twin, X, y, raw, delta, loss)
        layers = layers_of(twin)
        held = [_has_gradient(layer) for layer in layers]
        before = [{n: a.copy() for n, a in parameters(layer).items() if looks_trained(n)} for layer in layers]
        arguments = filled(getattr(twin, UPDATE), {"rate": rate}, (("rate",),))
        try:
            call(f"{name}.{UPDATE}", getattr(twin, UPDATE), *(arguments or []))
        except Misbehaviour as problem:
            return Finding(problem.kind, f"{name}.{UPDATE}", problem.message + ".", hint_for(problem), line=problem.line)
        after = [parameters(layer) for layer in layers]
        moves.append([{n: after[i][n] - a for n, a in before[i].items() if n in after[i]} for i in range(len(layers))])
    for i, (short, has) in enumerate(zip(moves[0], held, strict=True)):
        if has and short and not any(move.any() for move in short.values()):
            return Finding(
                "layer-not-trained",
                f"{name}.{UPDATE}",
                f"after update_parameters of the network {label_of(i, layers_of(net)[i])} has not moved, though its gradient "
                "is not zero.",
                "the network's update_parameters must call every layer's",
                line=quote(type(net), UPDATE, r"for", r"update"),
            )
    pairs = [(short[n], long[n]) for short, long in zip(*moves, strict=True) for n in short if n in long and short[n].any()]
    if arguments and pairs and all(np.allclose(short, long, rtol=1e-6) for short, long in pairs):
        return Finding(
            "lr-ignored",
            f"{name}.{UPDATE}",
            "all layers move by the same for gradient_step 0.1 and 0.2.",
            "hand the rate on: module.update_parameters(gradient_step)",
            line=quote(type(net), UPDATE, r"update"),
        )
    return None
