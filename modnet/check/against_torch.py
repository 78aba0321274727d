"""compare_with_torch: a network of one's own beside PyTorch's, layer by layer: the first number that differs, and why.

PyTorch is imported here alone, when the function is called. Weights are copied over to a copy of its module first where shapes
allow, as they are or turned over, so that both compute from the same numbers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from modnet.check.asking.arrays import is_of_library, named
from modnet.check.asking.numeric import factor_of
from modnet.check.asking.subject import Subject
from modnet.check.networks.layers import layers_of
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT
from modnet.check.report import Finding, Report
from modnet.check.styles.adapters import subject_of

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
    steps = _Comparison(torch, own, modules).steps(np.asarray(X, dtype=float), y, loss, torch_loss)
    for where, here, there, reasons in steps:
        if not _same(report, where, here, there, reasons):
            break
    return report


#: What a difference may come from, in words, and the numbers that it would give.
Reasons = Iterable[tuple[str, np.ndarray]]
#: What is compared: where, one's own numbers, PyTorch's, and why they may differ.
Step = tuple[str, np.ndarray, np.ndarray, Reasons]


class _Comparison:
    def __init__(self, torch: Any, own: list[Any], theirs: list[Any]) -> None:
        self.torch, self.own, self.theirs = torch, own, theirs
        self.turned: dict[str, bool] = {}

    def steps(self, X: np.ndarray, y: Any, loss: Any, torch_loss: Any) -> Iterator[Step]:
        """Forward from the first layer, then back from the last."""
        torch, at = self.torch, X
        done: list[tuple[str, Subject, Any, Any, Any]] = []
        for i, (layer, module) in enumerate(zip(self.own, self.theirs, strict=True)):
            subject, place = subject_of(layer, at), f"layer {i}, {type(layer).__name__}"
            self._copy(subject, module)
            given, before = torch.tensor(at, requires_grad=True), copy.deepcopy(module)
            out, wanted = subject.forward(subject.x), module(given)
            yield f"{place}: forward", out, wanted.detach().numpy(), self._set_otherwise(module, at)
            if module.training:
                yield from self._statistics(place, subject, before, at)
            done.append((place, subject, module, given, wanted))
            at = out
        delta = np.random.default_rng(0).normal(size=at.shape)
        if loss is not None:
            tensor = torch.tensor(at, requires_grad=True)
            truth = torch.as_tensor(np.asarray(y))
            truth = truth.double() if truth.is_floating_point() else truth.long()
            torch_loss(tensor, truth).sum().backward()
            delta, back = np.asarray(loss.backward(np.asarray(y), at), dtype=float), tensor.grad.numpy()
            yield "loss: backward", delta, back, _loss_reasons(back)
        for place, subject, module, given, wanted in reversed(done):
            module.zero_grad()
            wanted.backward(torch.tensor(delta))
            subject.out = subject.forward(subject.x)
            if subject.has(GRADIENT):
                yield from self._gradients(place, subject, module, delta)
            if subject is done[0][1] and not subject.has(DELTA):
                return
            delta, back = subject.delta(subject.x, delta), given.grad.numpy()
            yield f"{place}: delta", delta, back, _scales(back, len(back))

    def _copy(self, subject: Subject, module: Any) -> None:
        """Put one's own numbers into PyTorch's parameters of the same shape, or of the same shape turned over."""
        left = dict(_named(subject.fresh(), subject))
        for name, parameter in module.named_parameters():
            shape = tuple(parameter.shape)
            for key, array in left.items():
                same = array.shape == shape or np.squeeze(array).shape == shape
                if same or array.T.shape == shape:
                    # A square matrix may be either: Linear's of PyTorch is (out, in), most people's (in, out).
                    square = array.ndim == 2 and array.shape[0] == array.shape[1] and type(module).__name__ == "Linear"
                    self.turned[name] = turn = not same or (square and self._fits_turned(subject, array))
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

    def _gradients(self, place: str, subject: Subject, module: Any, delta: np.ndarray) -> Iterator[Step]:
        if is_of_library(subject.original):
            after = subject.there_and_back(subject.x, delta)
            found = {name: getattr(after, f"{name}_gradient") for name in named(after)}
        else:
            found = subject.gradients(subject.x, delta)
            found = {name: found[name] for name in subject.parameters(subject.fresh()) if name in found}
        for name, parameter in module.named_parameters():
            wanted = None if parameter.grad is None else parameter.grad.numpy()
            fitting = [g for g in found.values() if name in self.turned and wanted is not None and g.size == wanted.size]
            if wanted is None or not fitting:
                continue
            values = [(g.T if self.turned[name] and g.ndim == 2 else g).reshape(wanted.shape) for g in fitting]
            best = min(values, key=lambda g, wanted=wanted: float(np.abs(g - wanted).max()))  # type: ignore[misc]
            reasons = [*_scales(wanted, len(delta))]
            if wanted.ndim == 2 and wanted.shape[0] == wanted.shape[1]:
                reasons.append(("the gradient is transposed", wanted.T))
            yield f"{place}: gradient of {name}", best, wanted, reasons

    def _set_otherwise(self, module: Any, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """What PyTorch would give if it were set otherwise."""
        changes: list[tuple[str, Callable[[Any, Any], Any]]] = []
        if getattr(module, "weight", None) is not None and module.weight.ndim == 2:
            changes.append(("the weights are transposed: PyTorch's are (out, in), and forward is x @ W.T + b", _turned))
        for eps in (1e-3, 1e-5, 1e-8, 1e-7, 1e-12, 0.0) if hasattr(module, "eps") else ():
            changes.append((f"eps is {eps:g} here and {module.eps:g} in PyTorch", partial(_with_value, "eps", eps)))
        if hasattr(module, "running_mean"):
            text = "PyTorch's module is in training, this one in evaluation, or the other way round"
            changes.append((text, lambda m, g: m.train(not m.training)(g)))
        if x.ndim > 2:
            text = "channels come last here and first in PyTorch"
            changes.append((text, lambda m, g: m(g.movedim(-1, 1)).movedim(1, -1)))
        for dim in range(x.ndim) if hasattr(module, "dim") else ():
            changes.append((f"it runs over axis {dim}; PyTorch's dim is {module.dim}", partial(_with_value, "dim", dim)))
        for text, change in changes:
            with suppress(RuntimeError, IndexError, ValueError, TypeError), self.torch.no_grad():
                yield text, change(copy.deepcopy(module), self.torch.tensor(x)).numpy()

    def _statistics(self, place: str, subject: Subject, module: Any, x: np.ndarray) -> Iterator[Step]:
        """Running statistics after a forward in training, from the same start."""
        if getattr(module, "running_mean", None) is None or module.momentum is None:
            return
        twin = subject.fresh()
        start = _gathered(twin)
        subject.ask(FORWARD, twin, x.copy())
        after = _gathered(twin)
        batch = copy.deepcopy(module)
        batch.momentum = 1.0
        with self.torch.no_grad():
            batch(self.torch.tensor(x))
        count = x.size / batch.running_mean.numel()
        share, momentum = None, float(module.momentum)
        for name, new in (("mean", batch.running_mean.numpy()), ("var", batch.running_var.numpy())):
            if name not in after or after[name].size != new.size or np.array_equal(after[name], start[name]):
                continue
            old, own = start[name].ravel(), after[name].ravel()
            biased = new * (count - 1) / count
            if share is None:  # of the batch, in the mean, which all define alike
                share = _share(own, old, new)
            by_count = "the running variance is divided by n here, and by n - 1 in PyTorch"
            reasons = [(by_count, (1 - momentum) * old + momentum * biased)]
            if share is not None:
                rate = f"the batch counts {share:.3g} in running statistics here, and {momentum:.3g} in PyTorch"
                if abs(share + momentum - 1) < 1e-6 and abs(share - momentum) > 1e-6:
                    rate += ": its momentum is the share of the new batch, this one that of the old statistics"
                else:
                    rate += f": momentum={share:.3g}"
                reasons.insert(0, (rate, (1 - share) * old + share * new))
                reasons.append((f"{rate}; and {by_count}", (1 - share) * old + share * biased))
            yield f"{place}: running {name}", own, (1 - momentum) * old + momentum * new, reasons


def _with_value(name: str, value: Any, module: Any, given: Any) -> Any:
    setattr(module, name, value)
    return module(given)


def _turned(module: Any, given: Any) -> Any:
    module.weight.copy_(module.weight.T.clone())
    return module(given)


def _same(report: Report, where: str, own: np.ndarray, theirs: np.ndarray, reasons: Reasons) -> bool:
    """Add a row, and the finding if the two are not the same."""
    margin = _NEAR * max(1.0, float(np.abs(theirs).max(initial=0.0)))
    alike = own.shape == theirs.shape
    if alike and np.allclose(own, theirs, rtol=_NEAR, atol=margin):
        report.verdict(where, float(np.abs(own - theirs).max(initial=0.0)))
        return True
    fitting = (
        text for text, values in reasons if values.shape == own.shape and np.allclose(values, own, rtol=1e-4, atol=margin)
    )
    reason = next(fitting, "")
    kind = "convention" if reason else "differs" if alike else "shape"
    text = "other numbers than PyTorch's" if alike else f"{own.shape} here, {theirs.shape} in PyTorch"
    hint = reason or "check_module on this layer says whether it is the derivative of its own forward"
    finding = Finding(kind, where, f"the first that differs: {text}.", hint)
    report.findings.append(finding.compare(own, theirs, "PyTorch gives") if alike else finding)
    report.verdict(where, right=False, remark=kind)
    return False


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
    share = factor_of(own - old, new - old)
    return share if np.allclose(own, old + share * (new - old), rtol=1e-6, atol=1e-9) else None


def _named(module: Any, subject: Subject) -> dict[str, np.ndarray]:
    """The parameters of a layer in their shapes, by name."""
    return named(module) if is_of_library(module) else subject.parameters(module)


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
