"""compare_with_torch: a network of one's own beside PyTorch's, layer by layer: the first number that differs, and why.

PyTorch is imported here alone, when the function is called. Weights are copied over to a copy of its module first where shapes
allow, as they are or turned over, so that both compute from the same numbers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.adapters import subject_of
from modnet.check.arrays import PARAMETERS, is_of_library, named
from modnet.check.layers import layers_of
from modnet.check.report import Finding, Report, worst
from modnet.check.subject import Subject
from modnet.check.vocabulary import DELTA, FORWARD, GRADIENT

_NEAR = 1e-5


def compare_with_torch(net: Any, torch_module: Any, X: Any, y: Any = None, loss: Any = None, torch_loss: Any = None) -> Report:
    """Compare a layer, or a network of layers in a row, with PyTorch's: the first thing that differs, and the usual reason.

    Parameters
    ----------
    net : a layer of any style that `check_module` takes, or a network of such layers.
    torch_module : its counterpart, a ``torch.nn.Module``; for a network an ``nn.Sequential`` with a module for each layer. It
        is copied.
    X : (batch, ...), the input of both.
    y : the truth, if losses are given. loss : one's own, ``loss.forward(y, yhat)`` and ``loss.backward(y, yhat)``. torch_loss :
        a function (prediction, truth) of tensors. Without losses, both are given the same delta.

    Returns
    -------
    report : its first finding is the first layer that differs. In training, running statistics are compared too.

    Raises
    ------
    ImportError : if PyTorch is not installed. TypeError : if torch_module is none. ValueError : if there is a loss without its
        other half, or the two do not have as many layers.
    """
    try:
        import torch  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ImportError("compare_with_torch: PyTorch cannot be imported; pip install torch") from error
    if not isinstance(torch_module, torch.nn.Module):
        raise TypeError(
            f"compare_with_torch: torch_module is of type {type(torch_module).__name__}, expected a torch.nn.Module"
        )
    if (loss is None) != (torch_loss is None) or (loss is not None and y is None):
        raise ValueError("compare_with_torch: give loss, torch_loss and y, or none of them")
    theirs = copy.deepcopy(torch_module).double()
    own = layers_of(net) if isinstance(theirs, torch.nn.Sequential) else [net]
    modules = list(theirs) if isinstance(theirs, torch.nn.Sequential) else [theirs]
    if len(own) != len(modules):
        raise ValueError(
            f"compare_with_torch: net has {len(own)} layers, torch_module {len(modules)}; expected a module for each layer, "
            "torch.nn.Sequential(...)"
        )
    report = Report(f"{type(net).__name__} beside {type(torch_module).__name__}")
    return _Comparison(torch, report, own, modules).made(np.asarray(X, dtype=float), y, loss, torch_loss)


class _Comparison:
    def __init__(self, torch: Any, report: Report, own: list[Any], theirs: list[Any]) -> None:
        self.torch, self.report, self.own, self.theirs = torch, report, own, theirs
        self.turned: dict[str, bool] = {}

    def made(self, X: np.ndarray, y: Any, loss: Any, torch_loss: Any) -> Report:
        """Forward from the first layer, then back from the last, until something differs."""
        torch, at = self.torch, X
        subjects: list[Subject] = []
        tensors: list[tuple[Any, Any]] = []
        for i, (layer, module) in enumerate(zip(self.own, self.theirs, strict=True)):
            subject = subject_of(layer, at)
            subjects.append(subject)
            place = f"layer {i}, {type(layer).__name__}"
            self._copy(subject, module)
            given, before = torch.tensor(at, requires_grad=True), copy.deepcopy(module)
            out, wanted = subject.forward(subject.x), module(given)
            tensors.append((given, wanted))
            if self._differs(f"{place}: forward", out, wanted.detach().numpy(), self._forward_reasons(module, at)):
                return self.report
            if module.training and self._statistics(place, subject, before, at):
                return self.report
            at = out
        delta = np.random.default_rng(0).normal(size=at.shape)
        if loss is not None:
            tensor = torch.tensor(at, requires_grad=True)
            truth = torch.as_tensor(np.asarray(y))
            truth = truth.double() if truth.is_floating_point() else truth.long()
            torch_loss(tensor, truth).sum().backward()
            own = np.asarray(loss.backward(np.asarray(y), at), dtype=float)
            theirs = tensor.grad.numpy()
            if self._differs("loss: backward", own, theirs, _loss_reasons(theirs)):
                return self.report
            delta = own
        for i in reversed(range(len(self.own))):
            subject, module, (given, wanted) = subjects[i], self.theirs[i], tensors[i]
            place = f"layer {i}, {type(self.own[i]).__name__}"
            module.zero_grad()
            wanted.backward(torch.tensor(delta))
            subject.out = subject.forward(subject.x)
            if subject.has(GRADIENT) and self._gradients(place, subject, module, delta):
                return self.report
            if i == 0 and not subject.has(DELTA):
                break
            back = given.grad.numpy()
            own = subject.delta(subject.x, delta)
            if self._differs(f"{place}: delta", own, back, _scales(back, len(back))):
                return self.report
            delta = own
        return self.report

    def _copy(self, subject: Subject, module: Any) -> None:
        """Put one's own numbers into PyTorch's parameters of the same shape, or of the same shape turned over."""
        left = _named(subject.fresh(), subject)
        for name, parameter in module.named_parameters():
            shape = tuple(parameter.shape)
            for key, array in left.items():
                same = array.shape == shape or np.squeeze(array).shape == shape
                if same or array.T.shape == shape:
                    # A square matrix may be either: Linear's of PyTorch is (out, in), most people's (in, out).
                    square = array.ndim == 2 and array.shape[0] == array.shape[1] and type(module).__name__ == "Linear"
                    turn = not same or (square and self._fits_turned(subject, array))
                    self.turned[name] = turn
                    value = array.T if turn else array
                    with self.torch.no_grad():
                        parameter.copy_(self.torch.tensor(np.ascontiguousarray(value.reshape(shape))))
                    del left[key]
                    break

    @staticmethod
    def _fits_turned(subject: Subject, array: np.ndarray) -> bool:
        """Whether forward multiplies by the matrix as it is: then PyTorch's, which is turned over, needs its transpose."""
        x = subject.x
        moved = subject.forward(x) - subject.forward(np.zeros_like(x))
        return bool(np.allclose(moved, x @ array, rtol=1e-6, atol=1e-9))

    def _gradients(self, place: str, subject: Subject, module: Any, delta: np.ndarray) -> bool:
        module_of_ours, found = subject.fresh(), subject.gradients(subject.x, delta)
        held = _named(module_of_ours, subject)
        if is_of_library(module_of_ours) and PARAMETERS in found:
            found = {n: _same_place(a, module_of_ours.parameters, found[PARAMETERS]) for n, a in held.items()}
        gradients = {n: p.grad.numpy() for n, p in module.named_parameters() if p.grad is not None}
        for name, wanted in gradients.items():
            fitting = [found[k] for k, a in held.items() if k in found and name in self.turned and a.size == wanted.size]
            if not fitting:
                continue
            turn = self.turned[name]
            values = [(g.T if turn and g.ndim == 2 else g).reshape(wanted.shape) for g in fitting]
            best = min(values, key=lambda g: float(np.abs(g - wanted).max()))
            reasons = dict(_scales(wanted, len(delta)))
            if wanted.ndim == 2 and wanted.shape[0] == wanted.shape[1]:
                reasons["the gradient is transposed"] = wanted.T
            if self._differs(f"{place}: gradient of {name}", best, wanted, reasons.items()):
                return True
        return False

    def _forward_reasons(self, module: Any, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """What PyTorch would give if it were set otherwise."""
        torch = self.torch
        for text, change in self._changes(module, x):
            other, given = copy.deepcopy(module), torch.tensor(x)
            try:
                with torch.no_grad():
                    out = change(other, given)
            except (RuntimeError, IndexError, ValueError, TypeError):
                continue
            yield text, out.numpy()

    def _statistics(self, place: str, subject: Subject, module: Any, x: np.ndarray) -> bool:
        """Whether running statistics differ after a forward in training, from the same start."""
        torch = self.torch
        if getattr(module, "running_mean", None) is None or module.momentum is None:
            return False
        twin = subject.fresh()
        start = {n: v.copy() for n, v in _gathered(twin).items()}
        subject.ask(FORWARD, twin, x.copy())
        after = _gathered(twin)
        batch = copy.deepcopy(module)
        batch.momentum = 1.0
        with torch.no_grad():
            batch(torch.tensor(x))
        count = x.size / batch.running_mean.numel()
        share, momentum = None, float(module.momentum)
        for name, new in (("mean", batch.running_mean.numpy()), ("var", batch.running_var.numpy())):
            if name not in after or after[name].size != new.size or np.array_equal(after[name], start[name]):
                continue
            old, own = start[name].ravel(), after[name].ravel()
            biased = new * (count - 1) / count
            if share is None:  # of the batch, in the mean, which all define alike
                share = _share(own, old, new)
            theirs, reasons = (1 - momentum) * old + momentum * new, []
            if share is not None:
                rate = f"the batch counts {share:.3g} in running statistics here, and {momentum:.3g} in PyTorch"
                if abs(share + momentum - 1) < 1e-6 and abs(share - momentum) > 1e-6:
                    rate += ": its momentum is the share of the new batch, this one that of the old statistics"
                else:
                    rate += f": momentum={share:.3g}"
                reasons.append((rate, (1 - share) * old + share * new))
            by_count = "the running variance is divided by n here, and by n - 1 in PyTorch"
            reasons.append((by_count, (1 - momentum) * old + momentum * biased))
            if share is not None:
                reasons.append((f"{rate}; and {by_count}", (1 - share) * old + share * biased))
            if self._differs(f"{place}: running {name}", own, theirs, reasons):
                return True
        return False

    def _changes(self, module: Any, x: np.ndarray) -> Iterator[tuple[str, Callable[[Any, Any], Any]]]:
        def with_value(name: str, value: Any) -> Callable[[Any, Any], Any]:
            def call(other: Any, given: Any) -> Any:
                setattr(other, name, value)
                return other(given)

            return call

        def turned(other: Any, given: Any) -> Any:
            other.weight.copy_(other.weight.T.clone())
            return other(given)

        if getattr(module, "weight", None) is not None and module.weight.ndim == 2:
            yield "the weights are transposed: PyTorch's are (out, in), and forward is x @ W.T + b", turned
        for eps in (1e-3, 1e-5, 1e-8, 1e-7, 1e-12, 0.0) if hasattr(module, "eps") else ():
            yield f"eps is {eps:g} here and {module.eps:g} in PyTorch", with_value("eps", eps)
        if hasattr(module, "running_mean"):
            text = "PyTorch's module is in training, this one in evaluation, or the other way round"
            yield text, lambda m, g: m.train(not m.training)(g)
        if x.ndim > 2:
            yield (
                "channels come last here and first in PyTorch",
                lambda m, g: m(g.movedim(-1, 1)).movedim(1, -1),
            )
        if hasattr(module, "dim"):
            for dim in range(x.ndim):
                yield f"it runs over axis {dim}; PyTorch's dim is {module.dim}", with_value("dim", dim)

    def _differs(self, where: str, own: np.ndarray, theirs: np.ndarray, reasons: Any) -> bool:
        """Add a row, and the finding if the two are not the same."""
        margin = _NEAR * max(1.0, float(np.abs(theirs).max(initial=0.0)))
        if own.shape == theirs.shape and np.allclose(own, theirs, rtol=_NEAR, atol=margin):
            self.report.verdict(where, float(np.abs(own - theirs).max(initial=0.0)))
            return False
        kind = "shape" if own.shape != theirs.shape else "differs"
        reason = ""
        for text, values in reasons:
            if values.shape == own.shape and np.allclose(values, own, rtol=1e-4, atol=margin):
                kind, reason = "convention", text
                break
        text = f"{own.shape} here, {theirs.shape} in PyTorch" if own.shape != theirs.shape else "other numbers than PyTorch's"
        hint = reason or "check_module on this layer says whether it is the derivative of its own forward"
        finding = Finding(kind, where, f"the first that differs: {text}.", hint)
        if own.shape == theirs.shape:
            vars(finding).update(worst(own, theirs, np.abs(own - theirs)), truth="PyTorch gives")
        self.report.findings.append(finding)
        self.report.verdict(where, right=False, remark=kind)
        return True


def _gathered(module: Any) -> dict[str, np.ndarray]:
    """The running mean and variance that a layer keeps, by whatever name: "mean" and "var"."""
    held = {n: getattr(module, n) for n in ("running_mean", "running_var") if hasattr(module, n)} | vars(module)
    inner = {n: v for d in held.values() if isinstance(d, dict) for n, v in d.items() if isinstance(n, str)}
    found: dict[str, np.ndarray] = {}
    for name, value in (inner | held).items():
        if isinstance(value, np.ndarray) and re.search("run|mov|ema", name, re.I):
            for which, pattern in (("mean", r"mean|avg|mu\b|_m$|_e$"), ("var", r"var|_v$")):
                if re.search(pattern, name, re.I):
                    found.setdefault(which, value.copy())
    return found


def _share(own: np.ndarray, old: np.ndarray, new: np.ndarray) -> float | None:
    """The share a of (1 - a) old + a new; None if it is no such mean."""
    towards = new - old
    power = float(towards @ towards)
    share = float((own - old) @ towards) / power if power else 0.0
    return share if np.allclose(own, old + share * towards, rtol=1e-6, atol=1e-9) else None


def _named(module: Any, subject: Subject) -> dict[str, np.ndarray]:
    """The parameters of a layer in their shapes, by name."""
    return named(module) if is_of_library(module) else subject.parameters(module)


def _same_place(part: np.ndarray, flat: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What lies in another flat array where a part lies in the first."""
    start = (part.__array_interface__["data"][0] - flat.__array_interface__["data"][0]) // flat.itemsize
    return other[start : start + part.size].reshape(part.shape)


def _scales(truth: np.ndarray, batch: int) -> Iterator[tuple[str, np.ndarray]]:
    yield "a mean over the batch here, a sum in PyTorch", truth / batch
    yield "a sum over the batch here, a mean in PyTorch", truth * batch
    yield "the sign", -truth


def _loss_reasons(truth: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    batch = len(truth)
    text = "the loss is a sum over the batch here, and a mean in PyTorch: reduction='sum', or divide delta by the batch"
    yield text, truth * batch
    yield "the loss is a sum here, and a mean over all numbers in PyTorch: reduction='sum'", truth * truth.size
    yield "the loss is a mean here, and a sum in PyTorch: reduction='mean'", truth / batch
    yield "half the square here, the square in PyTorch", truth / 2
    yield "the sign", -truth
