"""The names and conventions of the course's project statement ("réseau de neurones DIY"), on the library's kernels.

    from modnet.handout import CrossEntropieLoss, Linear, Optim, SGD, Sequentiel, TanH

What is different from the rest of the library:

- `Linear(input, output)` has no bias unless asked for, is drawn uniformly in (-1, 1), and keeps ``_parameters`` and
  ``_gradient`` as matrices (input, output).
- `Conv1D(k_size, chan_in, chan_out, stride)` has no bias, is drawn in 0.1 * uniform(-1, 1), and keeps ``_parameters`` and
  ``_gradient`` of shape (k_size, chan_in, chan_out).
- What is random comes from numpy's global generator: ``np.random.seed(1)`` fixes a whole script.
- `CELoss` is -yhat_y, `CrossEntropieLoss` is -yhat_y + log(sum of exp(yhat)), the one fused with `LogSoftmax`.
- `Optim` and `SGD` divide the derivative of the losses by the size of the batch, as everything that trains does here. A loss
  never does: ``backward_update_gradient`` adds sums over the batch.

`Module` and `Loss` are the library's own contract and serve as base classes, as any class below does. A plain class with
the statement's methods needs no base class. Ours and yours go together, in a `Sequentiel` and in `SGD`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet import losses, modules, optim
from modnet.datasets import read_usps
from modnet.inputs import as_batch, as_numbers, real, require_finite, whole
from modnet.loss import Loss
from modnet.module import Module, Shape
from modnet.modules import AvgPool1D, Flatten, LogSoftmax, MaxPool1D, ReLU, Softmax
from modnet.training import fit

# --- losses ----------------------------------------------------------------------------------------------------------


class MSELoss(losses.MSE):
    """||y - yhat||^2 for each example; the derivative is 2 (yhat - y).

    Shape
    -----
    y, yhat : (batch, d). forward -> (batch,), backward -> (batch, d).

    Example
    -------
    >>> MSELoss().forward([[1.0, 2.0]], [[0.0, 0.0]])
    array([5.])
    """


class CELoss(losses.NLL):
    """Cross-entropy (coût cross-entropique): -yhat_y, what the prediction gives to the true class, with its sign changed.

    After `LogSoftmax` it is the negative log-likelihood. After `Softmax`, as the statement has it first, it is minus the
    probability.

    Shape
    -----
    y : integer labels (batch,), or one-hot rows (batch, classes). yhat : (batch, classes). forward -> (batch,).

    Example
    -------
    >>> CELoss().forward([0, 1], [[0.25, 0.75], [0.25, 0.75]])
    array([-0.25, -0.75])
    """


class CrossEntropieLoss(losses.CrossEntropy):
    """Cross-entropy and log-softmax in one: -yhat_y + log(sum over j of exp(yhat_j)); the derivative is softmax - one-hot.

    Shape
    -----
    y : integer labels (batch,), or one-hot rows (batch, classes). yhat : scores (batch, classes). forward -> (batch,).

    Example
    -------
    >>> CrossEntropieLoss().backward([0], [[1000.0, 1000.0]])
    array([[-0.5,  0.5]])
    """


class BCELoss(losses.BCE):
    """Binary cross-entropy (entropie croisée binaire): -(y log yhat + (1 - y) log(1 - yhat)), the log at least -100.

    Shape
    -----
    y, yhat : (batch, d), from 0 to 1; summed over d. forward -> (batch,), backward -> (batch, d).

    Example
    -------
    >>> BCELoss().forward([[1.0]], [[0.0]])
    array([100.])
    """


# --- modules ---------------------------------------------------------------------------------------------------------


class _Weight:
    """``_parameters`` or ``_gradient`` of the statement's shape: the weight or its gradient, by another name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else getattr(module, self.name)

    def __set__(self, module: Any, value: Any) -> None:
        setattr(module, self.name, value)


class Linear(modules.Linear):
    """(batch, input) -> (batch, output): X W, plus b if asked for.

    Parameters
    ----------
    input, output : features before and after.
    bias : whether to add a bias (biais).

    Attributes
    ----------
    _parameters, _gradient : W and its gradient, (input, output), always.
    bias, bias_gradient : (output,); None without a bias. ``zero_grad`` and ``update_parameters`` serve W and b both.
    parameters, gradient : W then b in one flat vector, which is what the library's optimizers move.

    Notes
    -----
    Both are drawn in (-1, 1) from numpy's global generator, W first, so that a seed gives the same W with a bias and without.

    Example
    -------
    >>> layer = Linear(3, 2)
    >>> layer._parameters.shape
    (3, 2)
    """

    _parameters = _Weight("weight")
    _gradient = _Weight("weight_gradient")

    def __init__(self, input: int, output: int, bias: bool = False) -> None:
        super().__init__(input, output, bias=bias, rng=0)
        for array in self.named_parameters().values():
            array[...] = np.random.uniform(-1, 1, array.shape)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        """Layers with input shapes, for the library's checks."""
        found: list[tuple[Any, Shape]] = [(cls(3, 2), (4, 3)), (cls(5, 1, bias=True), (1, 5)), (cls(2, 3), (2, 3, 2))]
        rng = np.random.default_rng(0)
        for module, _ in found:
            module.parameters[:] = rng.uniform(-1, 1, module.parameters.size)
        return found

    def __repr__(self) -> str:
        return f"Linear({self.in_features} -> {self.out_features}{'' if self.bias is None else ', bias=True'})"


class Conv1D(modules.Conv1D):
    """A window of weights slid along a signal (convolution), without a bias.

    Parameters
    ----------
    k_size : length of the window.
    chan_in, chan_out : channels of the signal (canaux), before and after.
    stride : how far the window moves.

    Attributes
    ----------
    _parameters, _gradient : W and its gradient, (k_size, chan_in, chan_out). parameters, gradient : the same, flat.

    Shape
    -----
    (batch, length, chan_in) -> (batch, (length - k_size) // stride + 1, chan_out)

    Digits of 256 pixels, (batch, 256), are signals of one channel as ``X[..., None]``.

    Notes
    -----
    Drawn in (-0.1, 0.1) from numpy's global generator.

    Example
    -------
    >>> layer = Conv1D(3, 1, 32)
    >>> layer._parameters.shape, layer.forward([[[0.0]] * 256]).shape
    ((3, 1, 32), (1, 254, 32))
    """

    _parameters = _Weight("weight")
    _gradient = _Weight("weight_gradient")

    def __init__(self, k_size: int, chan_in: int, chan_out: int, stride: int = 1) -> None:
        super().__init__(k_size, chan_in, chan_out, stride, bias=False, rng=0)
        self._parameters = 0.1 * np.random.uniform(-1, 1, (self.k_size, self.in_features, self.out_features))

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        """Layers with input shapes, for the library's checks."""
        found: list[tuple[Any, Shape]] = [(cls(3, 1, 2), (2, 6, 1)), (cls(2, 3, 4, 2), (3, 7, 3)), (cls(4, 2, 3, 3), (1, 9, 2))]
        rng = np.random.default_rng(0)
        for module, _ in found:
            module.parameters[:] = rng.uniform(-1, 1, module.parameters.size)
        return found

    def __repr__(self) -> str:
        return self.described(f"{self.in_features} -> {self.out_features}", stride=1)


class TanH(modules.Tanh):
    """The hyperbolic tangent, element by element.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> TanH().forward([[0.0]])
    array([[0.]])
    """


class Sigmoide(modules.Sigmoid):
    """1 / (1 + exp(-x)), element by element.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Sigmoide().forward([[0.0]])
    array([[0.5]])
    """


# --- networks and training -------------------------------------------------------------------------------------------


class Sequentiel(modules.Sequential):
    """Modules one after the other: ``Sequentiel(a, b)``, ``Sequentiel([a, b])``, or one by one with `add`.

    It is a `modnet.Sequential`. Our modules and plain classes of yours can be mixed in it.

    Example
    -------
    >>> net = Sequentiel()
    >>> net.add(Linear(2, 3)).add(TanH()).forward([[0.0, 0.0]])
    array([[0., 0., 0.]])
    """

    def add(self, module: Any) -> Sequentiel:
        """Add a module at the end, as `append` does. Returns the network."""
        self.append(module)
        return self


class AutoEncodeur(Sequentiel):
    """An encoder, then a decoder that is to give back what the encoder was given.

    It is a network of two networks, trained like any other, with the data for both X and y:
    ``SGD(net, X, X, 32, 50, BCELoss(), 0.1)``.

    Parameters
    ----------
    encoder, decoder : each a `Sequentiel`, or a list of modules, or one module. For weights shared by both, `modnet.Tied`.

    Attributes
    ----------
    encoder, decoder : the two networks.

    Shape
    -----
    (batch, d) -> (batch, d), by way of codes (batch, k)

    Example
    -------
    >>> net = AutoEncodeur([Linear(256, 10), TanH()], [Linear(10, 256), Sigmoide()])
    >>> X = np.zeros((4, 256))
    >>> net.code(X).shape, net.forward(X).shape
    ((4, 10), (4, 256))
    """

    def __init__(self, encoder: Any, decoder: Any) -> None:
        super().__init__(*(part if isinstance(part, modules.Sequential) else Sequentiel(part) for part in (encoder, decoder)))

    @property
    def encoder(self) -> Any:
        """From the input to its code."""
        return self[0]

    @property
    def decoder(self) -> Any:
        """From a code to what the input was."""
        return self[1]

    def code(self, X: Any) -> Any:
        """The codes of a batch: (batch, d) -> (batch, k)."""
        return self.encoder.forward(X)

    def append(self, module: Any) -> AutoEncodeur:
        """Add a module at the end of the decoder. Returns the network."""
        self.decoder.append(module)
        return self


class Optim:
    """Gradient descent (descente de gradient): one step a batch.

    Parameters
    ----------
    net : a module or a network, ours or yours.
    loss : a loss, ours or yours.
    eps : the step, positive.
    """

    def __init__(self, net: Any, loss: Any, eps: float = 1e-3) -> None:
        _require(net, "Optim: net", "a network", "forward", "zero_grad", "backward_update_gradient", "update_parameters")
        _require(loss, "Optim: loss", "a loss such as MSELoss()", "forward", "backward")
        self.net, self.loss, self.eps = net, loss, _positive(eps, "Optim")

    def step(self, batch_x: Any, batch_y: Any) -> float:
        """Forward, backward, and one move of the parameters against the gradient of the batch's mean loss.

        Parameters
        ----------
        batch_x : (batch, ...). batch_y : (batch, ...), what the loss takes.

        Returns
        -------
        loss : the mean loss of the batch, before the move.
        """
        yhat = self.net.forward(batch_x)
        value = float(np.mean(self.loss.forward(batch_y, yhat)))
        delta = np.asarray(self.loss.backward(batch_y, yhat)) / len(yhat)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, delta)
        self.net.update_parameters(self.eps)
        return value

    def __repr__(self) -> str:
        return f"Optim(eps={self.eps:g})"


_MSE = MSELoss()


def SGD(
    net: Any,
    X: Any,
    y: Any,
    batch_size: int,
    iterations: int,
    loss: Any = _MSE,
    eps: float = 1e-3,
    rng: int | np.random.Generator | None = None,
) -> list[float]:
    """Stochastic gradient descent: passes over the data in batches, in a new random order each time.

    The steps are those of `Optim`. If every module and the loss are the library's, they run compiled.

    Parameters
    ----------
    net, loss : as for `Optim`.
    X : (n, ...). y : (n, ...), what the loss takes.
    batch_size : examples a step; the last batch of a pass may be shorter.
    iterations : passes over the data.
    eps : the step, positive.
    rng : int, numpy.random.Generator, or None for a seed from numpy's global generator.

    Returns
    -------
    losses : the mean loss of each pass, over its batches as they were trained on.

    Warns
    -----
    TrainingWarning : if Ctrl-C, or a loss that is NaN or infinite, ended it early; see `modnet.fit`.
    """
    _require(net, "SGD: net", "a network", "forward", "zero_grad", "backward_update_gradient", "update_parameters")
    _require(loss, "SGD: loss", "a loss such as MSELoss()", "forward", "backward")
    whole(batch_size, "SGD", "batch_size")
    whole(iterations, "SGD", "iterations")
    return fit(
        net, X, y, loss=loss, optimizer=optim.SGD(_positive(eps, "SGD")), epochs=iterations, batch_size=batch_size,
        rng=int(np.random.randint(2**31)) if rng is None else rng, progress=False,
    ).loss  # fmt: skip


def _positive(eps: Any, who: str) -> float:
    return real(eps, who, "eps", "a positive number", lambda v: v > 0)


def _require(value: Any, who: str, expected: str, *methods: str) -> None:
    if isinstance(value, type):
        raise TypeError(f"{who} is the class {value.__name__}, expected an object: {value.__name__}(...)")
    for name in methods:
        if not callable(getattr(value, name, None)):
            raise TypeError(f"{who} is of type {type(value).__name__}, which has no method {name}, expected {expected}")


# --- the course's tools (mltools) ------------------------------------------------------------------------------------


def gen_arti(
    centerx: float = 1,
    centery: float = 1,
    sigma: float = 0.1,
    nbex: int = 1000,
    data_type: int = 0,
    epsilon: float = 0.02,
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane in two classes, from numpy's global generator; with the default centre, the course's own numbers.

    Parameters
    ----------
    centerx, centery : centre of a Gaussian; the others are its mirror images.
    sigma : the variance (not the standard deviation) of each coordinate of a Gaussian.
    nbex : the number of examples. Classes share them evenly, and so do the Gaussians of a class.
    data_type : 0 two Gaussians, around (centerx, centery) for class 1 and opposite for class -1; 1 four of them, class 1 if
        both coordinates have the centre's signs or neither has (XOR); 2 a checkerboard of unit squares on [-4, 4].
    epsilon : the standard deviation of a noise on top, which does not change labels.

    Returns
    -------
    X : (nbex, 2), shuffled. y : (nbex, 1), -1.0 or 1.0.
    """
    n = whole(nbex, "gen_arti", "nbex")
    variance = real(sigma, "gen_arti", "sigma", "a variance, 0 or more", lambda v: v >= 0)
    noise = real(epsilon, "gen_arti", "epsilon", "a standard deviation, 0 or more", lambda v: v >= 0)
    center = np.array([real(centerx, "gen_arti", "centerx"), real(centery, "gen_arti", "centery")])
    corners = {0: [(1, 1), (-1, -1)], 1: [(1, 1), (-1, -1), (-1, 1), (1, -1)]}
    if data_type == 2:
        X = np.random.uniform(-4, 4, (n, 2))
        y = 2 * (np.ceil(X).sum(axis=1) % 2) - 1
    elif data_type in corners:
        signs = corners[data_type]
        share = [len(part) for part in np.array_split(np.arange(n), len(signs))]
        X = np.concatenate([
            np.random.multivariate_normal(center * sign, variance * np.eye(2), count) for sign, count in zip(signs, share)
        ])  # fmt: skip
        y = np.repeat([1.0, -1.0], [sum(share[: len(share) // 2]), sum(share[len(share) // 2 :])])
    else:
        raise ValueError(f"gen_arti: data_type is {data_type!r}, expected 0, 1 or 2")
    for column in X.T:
        column += np.random.normal(0, noise, n)
    order = np.random.permutation(n)
    return X[order], y[order].reshape(-1, 1)


def load_usps(file: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits from the course's text file: X (n, 256) from 0 to 2, y (n,) labels. See `datasets.read_usps`."""
    return read_usps(file)


def make_grid(
    data: Any = None, xmin: float = -5, xmax: float = 5, ymin: float = -5, ymax: float = 5, step: int = 20
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grid of points over a rectangle.

    Parameters
    ----------
    data : (n, 2), whose bounds the rectangle takes; None for the bounds that follow.
    xmin, xmax, ymin, ymax : the rectangle without data.
    step : points on each side, the bounds included.

    Returns
    -------
    grid : (step * step, 2), the points. x, y : (step, step), their coordinates in place.
    """
    count = whole(step, "make_grid", "step", 2)
    if data is not None:
        points = _plane(data, "make_grid")
        (xmin, ymin), (xmax, ymax) = points.min(axis=0), points.max(axis=0)
        if xmin == xmax:
            xmin, xmax = xmin - 0.5, xmax + 0.5
        if ymin == ymax:
            ymin, ymax = ymin - 0.5, ymax + 0.5
    x, y = np.meshgrid(np.linspace(xmin, xmax, count), np.linspace(ymin, ymax, count))
    return np.column_stack([x.ravel(), y.ravel()]), x, y


def plot_data(data: Any, labels: Any = None) -> Any:
    """Draw points of the plane, a colour and a mark for each class, on matplotlib's current axes.

    Parameters
    ----------
    data : (n, 2). labels : (n,) or (n, 1), or None for one colour.

    Returns
    -------
    axes : matplotlib's. A legend comes with ``axes.legend()``.
    """
    points = _plane(data, "plot_data")
    from modnet.plotting.figures import current_axes

    if labels is None:
        axes = current_axes()
        axes.scatter(points[:, 0], points[:, 1], marker="x")
        return axes
    classes = np.asarray(labels)
    if classes.shape not in ((len(points),), (len(points), 1)):
        raise ValueError(f"plot_data: labels has shape {classes.shape}, expected ({len(points)},) or ({len(points)}, 1)")
    axes = current_axes()
    classes = classes.reshape(-1)
    for i, name in enumerate(np.unique(classes)):
        of_class = points[classes == name]
        axes.scatter(of_class[:, 0], of_class[:, 1], color=f"C{i % 10}", marker=".+*ox^sdv<"[i % 10], label=str(name))
    return axes


def plot_frontiere(data: Any, f: Callable[[np.ndarray], Any], step: int = 20) -> Any:
    """Colour the plane by a decision function, on matplotlib's current axes.

    Parameters
    ----------
    data : (n, 2), whose bounds are drawn.
    f : from points (m, 2) to decisions. Scores (m,) or (m, 1) are coloured by their sign; integers or booleans of that shape
        are classes; of scores (m, classes), the largest decides.
    step : points on each side; more draw a finer frontier.

    Returns
    -------
    axes : matplotlib's.
    """
    grid, x, y = make_grid(data, step=step)
    values = as_numbers(f(grid), "plot_frontiere", "f(grid)")
    if values.ndim not in (1, 2) or len(values) != len(grid) or values.size == 0:
        raise ValueError(
            f"plot_frontiere: f returned shape {values.shape}, expected ({len(grid)},) or ({len(grid)}, classes)"
        )
    require_finite(values, "plot_frontiere", "f(grid)")
    from modnet.plotting.figures import current_axes

    axes = current_axes()
    if values.size == len(grid) and values.dtype.kind == "f":
        scores = values.reshape(x.shape)
        far = float(np.abs(scores).max()) + 1
        axes.contourf(x, y, scores, levels=[-far, 0, far], colors=["C0", "C1"], alpha=0.3)
        return axes
    one = values.reshape(-1) if values.size == len(grid) else values.argmax(axis=1)
    names, places = np.unique(one, return_inverse=True)
    levels = np.arange(len(names) + 1) - 0.5
    axes.contourf(
        x, y, places.reshape(x.shape), levels=levels, colors=[f"C{i % 10}" for i in range(len(names))], alpha=0.3
    )
    return axes


def _plane(data: Any, who: str) -> np.ndarray:
    points = as_batch(data, np.dtype(np.float64), who, "data")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{who}: data has shape {points.shape}, expected (n, 2)")
    require_finite(points, who, "data")
    return points


__all__ = [
    "SGD",
    "AutoEncodeur",
    "AvgPool1D",
    "BCELoss",
    "CELoss",
    "Conv1D",
    "CrossEntropieLoss",
    "Flatten",
    "Linear",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "MaxPool1D",
    "Module",
    "Optim",
    "ReLU",
    "Sequentiel",
    "Sigmoide",
    "Softmax",
    "TanH",
    "gen_arti",
    "load_usps",
    "make_grid",
    "plot_data",
    "plot_frontiere",
]
