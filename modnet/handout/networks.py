"""The statement's networks, and how they are trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet import modules, optim
from modnet.handout.layers import also_named
from modnet.handout.losses import MSELoss
from modnet.inputs import real, whole
from modnet.training import fit


class Sequentiel(modules.Sequential):
    """Modules one after the other: ``Sequentiel(a, b)``, ``Sequentiel([a, b])``, or one by one with `add`.

    It is a `modnet.Sequential`. Our modules and plain classes of yours can be mixed in it.

    Example
    -------
    >>> from modnet.handout import Linear, TanH
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
    >>> from modnet.handout import Linear, Sigmoide, TanH
    >>> net = AutoEncodeur([Linear(256, 10), TanH()], [Linear(10, 256), Sigmoide()])
    >>> X = np.zeros((4, 256))
    >>> net.code(X).shape, net.forward(X).shape
    ((4, 10), (4, 256))
    """

    @also_named(encoder="encodeur", decoder="decodeur")
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

    @also_named(loss="loss_fn", eps="lr")
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
