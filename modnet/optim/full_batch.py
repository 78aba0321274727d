"""minimize: SciPy's minimisers on the flat vector of a network.

With all examples at once the loss is a plain function of the parameters with a known gradient, and a method that estimates the
curvature, such as L-BFGS, gets further in a hundred steps than gradient descent in a hundred thousand. For many examples or
large networks minibatches win again: see `modnet.fit`.

Reference: J. Nocedal and S. Wright, Numerical optimization, 2nd edition, Springer, 2006, chapter 7.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from modnet.engine.modes import modes_of, restore_modes, set_training
from modnet.engine.run import Passes
from modnet.inputs import as_examples, as_weights
from modnet.loss import require_loss
from modnet.module import require_net
from modnet.optim.optimizer import Optimizer

_WITH_GRADIENT = ("L-BFGS-B", "BFGS", "CG", "Newton-CG", "TNC", "SLSQP", "trust-constr")
_WITHOUT = ("Nelder-Mead", "Powell", "COBYLA", "COBYQA")


class _Numbers(Optimizer):
    """The parameters of any network as one float64 vector, in whatever arrays they lie."""

    def __init__(self, net: Any) -> None:
        super().__init__(1.0)
        self.attach(net)

    def take(self) -> np.ndarray:
        return np.concatenate([np.empty(0), *(array.reshape(-1).astype(np.float64) for array, _ in self.moving())])

    def put(self, x: np.ndarray) -> None:
        at = 0
        for array, _ in self.moving():
            array[...] = x[at : at + array.size].reshape(array.shape)
            at += array.size

    def gradient(self) -> np.ndarray:
        return np.concatenate([np.empty(0), *(slope.reshape(-1).astype(np.float64) for _, slope, _ in self.arrays())])

    def __repr__(self) -> str:
        return "minimize"


class _Problem:
    """The loss over all examples as a function of the parameters, and its values so far."""

    def __init__(self, net: Any, loss: Any, X: np.ndarray, y: Any, weights: np.ndarray, numbers: _Numbers) -> None:
        self.loss, self.X, self.y, self.numbers = loss, X, y, numbers
        self.share = weights / len(X)
        self.seen: dict[bytes, float] = {}
        self.history: list[float] = []
        self.best: np.ndarray = numbers.take()
        self.calls = 0
        self.passes = Passes(net, X.shape[1:], X.dtype, len(X))

    def value(self, x: np.ndarray) -> float:
        return self._forward(x)[0]

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        value, yhat = self._forward(x)
        delta = np.asarray(self.loss.backward(self.y, yhat))
        self.passes.backward(self.X, (delta * self.share.reshape(-1, *[1] * (delta.ndim - 1))).astype(delta.dtype, copy=False))
        return value, self.numbers.gradient()

    def _forward(self, x: np.ndarray) -> tuple[float, Any]:
        self.calls += 1
        self.numbers.put(x)
        yhat = self.passes.forward(self.X)
        value = float(np.dot(np.asarray(self.loss.forward(self.y, yhat), np.float64), self.share))
        self.seen[np.asarray(x, np.float64).tobytes()] = value
        return value, yhat

    def note(self, x: np.ndarray, *rest: Any) -> None:
        """SciPy's callback, after each iteration."""
        x = np.array(x, np.float64)
        value = self.seen.get(x.tobytes())
        self.history.append(self.value(x) if value is None else value)
        if self.history[-1] <= min(self.history):
            self.best = x
        self.seen.clear()


def minimize(
    net: Any,
    loss: Any,
    X: Any,
    y: Any,
    method: str = "L-BFGS-B",
    *,
    sample_weight: Any = None,
    tol: float | None = None,
    **options: Any,
) -> Any:
    """Train a network with one of the methods of `scipy.optimize.minimize`, on all examples at once.

    Parameters
    ----------
    net : a network. It is in evaluation mode meanwhile, because the loss has to be the same function at every call: `Dropout`
        lets everything through.
    loss : its mean over the examples is minimised.
    X : (n, ...), finite numbers. y : (n, ...), what the loss takes.
    method : "L-BFGS-B", "BFGS", "CG", "Newton-CG", "TNC", "SLSQP" or "trust-constr", by the gradient; "Nelder-Mead",
        "Powell", "COBYLA" or "COBYQA" without.
    sample_weight : (n,), not negative: the mean of weight * loss is minimised.
    tol : SciPy's tolerance, which means something else for each method; None for its default.
    options : those of the method, such as maxiter=200.

    Returns
    -------
    result : SciPy's `OptimizeResult`: x, fun, success, message, nit and others, with `history`, the loss at the start and after
        each iteration. The network has the parameters x. If the loss ended no lower than it began, or is not finite, or
        an error was raised, it has its old parameters; after Ctrl-C those with the lowest loss in the history.

    Example
    -------
    >>> from modnet import MSE, Linear
    >>> line = Linear(1, 1, rng=0)
    >>> result = minimize(line, MSE(), [[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]])
    >>> line.parameters.round(4)
    array([2., 1.])
    """
    from scipy import optimize

    names = {name.lower(): name for name in (*_WITH_GRADIENT, *_WITHOUT)}
    chosen = names.get(method.lower()) if isinstance(method, str) else None
    if chosen is None:
        raise ValueError(f"minimize: method is {method!r}, expected one of {', '.join(map(repr, names.values()))}")
    require_net(net, "minimize")
    require_loss(loss, "minimize")
    inputs, truth = as_examples(X, y, getattr(net, "dtype", None), "minimize")
    weights = np.ones(len(inputs)) if sample_weight is None else as_weights(sample_weight, len(inputs), "minimize")
    numbers = _Numbers(net)
    numbers.check_attached()
    if hasattr(net, "zero_grad"):
        net.zero_grad()  # a plain class may have no gradient before
    start = numbers.take()
    if not start.size:
        raise ValueError("minimize: net has no parameters, expected a network with some")
    problem = _Problem(net, loss, inputs, truth, weights, numbers)
    modes = modes_of(net)
    kept: np.ndarray = start
    try:
        set_training(net, False)
        with_gradient = chosen in _WITH_GRADIENT
        if with_gradient:
            problem.history.append(problem.value_and_gradient(start)[0])
            numbers.check_attached()  # a gradient shows what a plain class moves
        else:
            problem.history.append(problem.value(start))
        if not np.isfinite(problem.history[0]):
            raise ValueError(f"minimize: the loss is {problem.history[0]} at the present parameters, expected a finite number")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Unknown solver options", optimize.OptimizeWarning)
            try:
                result = optimize.minimize(
                    problem.value_and_gradient if with_gradient else problem.value,
                    start,
                    method=chosen,
                    jac=True if with_gradient else None,
                    tol=tol,
                    options=options or None,
                    callback=problem.note,
                )
            except optimize.OptimizeWarning as warning:
                raise ValueError(f"minimize: {chosen}: {str(warning).lower()}") from None
            except KeyboardInterrupt:
                result = optimize.OptimizeResult(
                    x=problem.best,
                    fun=min(problem.history),
                    success=False,
                    status=99,  # SciPy's, if the caller stops it
                    message="interrupted",
                    nit=len(problem.history) - 1,
                    nfev=problem.calls,
                )
        result.history = problem.history
        if result.fun < problem.history[0]:
            kept = np.asarray(result.x, np.float64)
        elif not np.array_equal(result.x, start):
            result.success = False
        return result
    finally:
        problem.passes.close()
        numbers.put(kept)
        if hasattr(net, "zero_grad"):
            net.zero_grad()
        restore_modes(modes)
