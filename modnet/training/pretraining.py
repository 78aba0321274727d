"""Layer-by-layer pretraining: hidden layers learn without labels, from the input upwards, before the network is trained.

A deep network of sigmoids hardly learns at first: the delta that reaches its first layers is a product of many small numbers.
So each hidden layer in turn is taught to keep what its input says. H is what the layers below make of the data, at first X:

    pretrain        an auto-encoder h = f(H W + b), H' = h V + c is trained to give H back; V and c are then thrown away
    pretrain_rbm    a restricted Boltzmann machine with units sigmoid(H W + b) is fitted to H

and h is the next H. The last `Linear`, which gives the answer, is left to `fit`.

References: G. Hinton, S. Osindero and Y. Teh, A fast learning algorithm for deep belief nets, Neural Computation 18 (2006);
Y. Bengio and others, Greedy layer-wise training of deep networks, NIPS 2006; P. Vincent and others, Extracting and composing
robust features with denoising autoencoders, ICML 2008 (corruption).
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.program import is_wired
from modnet.engine.storage import writing
from modnet.inputs import as_batch, generator, real, require_finite, whole
from modnet.loss import Loss
from modnet.losses.mse import MSE
from modnet.module import Module
from modnet.modules.activations import Sigmoid
from modnet.modules.container import Container
from modnet.modules.linear import Linear
from modnet.modules.sequential import Sequential
from modnet.optim.adam import Adam
from modnet.optim.optimizer import Optimizer, as_optimizer
from modnet.training import History, fit, predict


def pretrain(
    net: Sequential,
    X: Any,
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 20,
    batch_size: int | None = 32,
    corruption: Any = None,
    rng: int | np.random.Generator | None = None,
    progress: bool | None = None,
) -> list[History]:
    """Train the hidden layers of a network as a stack of auto-encoders, and leave it ready for `fit`.

    Every `Linear` of the chain but the last is a layer, with the modules after it up to the next `Linear`. They must keep all
    axes but the last. A `Residual` or a `Concat` in the chain counts as one module, whatever it holds, and learns with the
    layer that it is in. What comes before the first layer is left as it is.

    Parameters
    ----------
    net : a `Sequential` with at least two `Linear`. The parameters of its hidden layers are changed in place.
    X : (n, ...), what the network takes; no labels are needed.
    loss : between H and what the auto-encoder makes of it; None for MSE().
    optimizer : a copy of it, at its first step, is used for each layer; None for Adam().
    epochs, batch_size : of each auto-encoder.
    corruption : a module such as ``GaussianNoise(0.3)`` or ``Dropout(0.2)``, through which H goes into the auto-encoder, which
        still has to give back the clean H. A layer wider than its input needs it, or it may learn to copy.
    rng : int, numpy.random.Generator or None.
    progress : as in `fit`.

    Returns
    -------
    histories : for each layer the `History` of its auto-encoder.

    Example
    -------
    >>> from modnet import Tanh
    >>> net = Sequential(Linear(8, 4, rng=0), Tanh(), Linear(4, 2, rng=1), Tanh(), Linear(2, 3, rng=2))
    >>> histories = pretrain(net, np.eye(8), epochs=50, rng=0)
    >>> [history.loss[-1] < history.loss[0] for history in histories]
    [True, True]
    """
    layers, H = _layers("pretrain", net, X)
    chosen = Adam() if optimizer is None else as_optimizer(optimizer)
    source = generator(rng, "pretrain")
    histories = []
    with writing(net, "pretrain"):
        for layer in layers:
            encoder = copy.deepcopy(layer)
            codes = _through("pretrain", layer, H)
            decoder = Linear(codes.shape[-1], H.shape[-1], rng=source).astype(net.dtype)
            before = [] if corruption is None else [copy.deepcopy(corruption)]
            histories.append(
                fit(
                    Sequential(*before, *encoder, decoder),
                    H,
                    H,
                    loss=MSE() if loss is None else loss,
                    optimizer=chosen.fresh(),
                    epochs=epochs,
                    batch_size=batch_size,
                    rng=source,
                    progress=progress,
                )
            )
            for module, trained in zip(layer, encoder):
                _take_over(module, trained)
            H = _through("pretrain", layer, H)
    return histories


def pretrain_rbm(
    net: Sequential,
    X: Any,
    *,
    lr: float = 0.1,
    epochs: int = 10,
    batch_size: int = 10,
    rng: int | np.random.Generator | None = None,
) -> list[Any]:
    """Start the hidden layers of a network from restricted Boltzmann machines, scikit-learn's `BernoulliRBM`.

    Every `Linear` but the last is a layer. It must be followed by a `Sigmoid`, which is what the units of such a machine are.

    Parameters
    ----------
    net : a `Sequential` with at least two `Linear`. The parameters of its hidden layers are set in place.
    X : (n, features), from 0 to 1; no labels are needed.
    lr, epochs, batch_size : of each machine.
    rng : int, numpy.random.Generator or None.

    Returns
    -------
    machines : for each layer the fitted `BernoulliRBM`.

    Example
    -------
    >>> net = Sequential(Linear(8, 4, rng=0), Sigmoid(), Linear(4, 3, rng=2))
    >>> machines = pretrain_rbm(net, np.eye(8), rng=0)
    >>> bool((net[0].weight == machines[0].components_.T).all())
    True
    """
    from sklearn.neural_network import BernoulliRBM

    who = "pretrain_rbm"
    layers, H = _layers(who, net, X)
    rate = real(lr, who, "lr", "a positive number", lambda v: v > 0)
    passes, size = whole(epochs, who, "epochs"), whole(batch_size, who, "batch_size")
    source = generator(rng, who)
    for layer in layers:
        if len(layer) < 2 or not isinstance(layer[1], Sigmoid):
            came = repr(layer[1]) if len(layer) > 1 else "nothing"
            raise ValueError(
                f"{who}: {layer[0]} is followed by {came}, expected Sigmoid(): the units of a Boltzmann machine are sigmoids"
            )
    if H.ndim != 2 or H.min() < 0 or H.max() > 1:
        came = f"shape {H.shape}" if H.ndim != 2 else f"values from {H.min():g} to {H.max():g}"
        raise ValueError(f"{who}: the first layer's input has {came}, expected (n, features) from 0 to 1")
    machines = []
    with writing(net, who):
        for layer in layers:
            machine = BernoulliRBM(
                layer[0].out_features,
                learning_rate=rate,
                batch_size=size,
                n_iter=passes,
                random_state=int(source.integers(2**31)),
            ).fit(H)
            layer[0].weight[...] = machine.components_.T
            if layer[0].bias is not None:
                layer[0].bias[...] = machine.intercept_hidden_
            machines.append(machine)
            H = _through(who, layer, H)
    return machines


def _layers(who: str, net: Any, X: Any) -> tuple[list[list[Any]], np.ndarray]:
    """The hidden layers, each a Linear and what follows it, and the input of the first."""
    if not _is_chain(net):
        raise TypeError(f"{who}: net is {type(net).__name__}, expected a Sequential")
    chain = list(_chain(net))
    starts = [i for i, module in enumerate(chain) if isinstance(module, Linear)]
    if len(starts) < 2:
        inside = any(isinstance(leaf, Linear) for module in chain if isinstance(module, Container) for leaf in module.leaves())
        note = ", not counting those inside a module that is no plain chain" if inside else ""
        raise ValueError(
            f"{who}: the network has {len(starts)} Linear{note}, expected at least 2: the last one is not pretrained"
        )
    H = as_batch(X, net.dtype, who, "X")
    require_finite(H, who, "X")
    for module in chain[: starts[0]]:
        H = np.asarray(predict(module, H))
    return [chain[a:b] for a, b in pairwise(starts)], H


def _is_chain(module: Any) -> bool:
    """Whether a module is modules one after the other and nothing else, which a Residual is not."""
    return is_wired(module) and type(module).wire is Sequential.wire


def _chain(net: Sequential) -> Any:
    for module in net:
        if _is_chain(module):
            yield from _chain(module)
        else:
            yield module


def _through(who: str, layer: list[Any], H: np.ndarray) -> np.ndarray:
    out = H
    for module in layer:
        out = np.asarray(predict(module, out))
        if out.shape[:-1] != H.shape[:-1]:
            name = Foreign.name_of(module)
            raise ValueError(
                f"{who}: {name} after {layer[0]} makes {out.shape} of {H.shape}, expected all axes but the last kept"
            )
    return out


def _take_over(module: Any, trained: Any) -> None:
    """Give a module the numbers of its trained copy."""
    if isinstance(module, Container):
        for own, other in zip(module.leaves(), trained.leaves(), strict=True):
            _take_over(own, other)
    elif isinstance(module, Module) and hasattr(module, "counts"):
        for block in ("parameters", "state"):
            module.block(block)[:] = trained.block(block)
    else:
        vars(module).update(copy.deepcopy(vars(trained)))


__all__ = ["pretrain", "pretrain_rbm"]
