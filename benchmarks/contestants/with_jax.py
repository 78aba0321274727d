"""JAX: an epoch is one compiled function, which shuffles, and scans over the batches; optax; arguments donated.

Whether the permutation is drawn inside the compiled function or by numpy and handed in is the variant; and, since XLA makes
slower code for convolutions inside a scan, one compiled step that is called for each batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
import registers
from jax import lax
from jax import numpy as jnp
from tasks import MOMENTUM, Contestant, Layer, Task

registers.hold_jax()


class Scan(Contestant):
    variants = ("numpy's permutation", "permutation inside", "a step at a time")

    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        self.task, self.first, self.variant = task, first, variant
        self.X, self.y = jnp.asarray(X), jnp.asarray(y.astype(np.int32) if y.ndim == 1 else y)
        self.optimizer = optax.adam(task.lr) if task.optimizer == "adam" else optax.sgd(task.lr, momentum=MOMENTUM)
        self.rng, self.key = np.random.default_rng(3), jax.random.key(3)

        def network(params: list[Any], x: Any) -> Any:
            at = 0
            for layer in task.layers:
                own = params[at : at + 2]
                at += len(layer.shapes)
                x = _apply(layer, own, x)
            return x

        def loss(params: list[Any], x: Any, y: Any) -> Any:
            x = network(params, x)
            if task.loss == "cross-entropy":
                return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()
            losses = (x - y) ** 2 if task.loss == "mse" else optax.sigmoid_binary_cross_entropy(x, y)
            return losses.sum() / len(x)

        def step(carry: Any, batch: Any) -> Any:
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params, *batch)
            updates, state = self.optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        def epoch(carry: Any, X: Any, y: Any, order: Any) -> Any:
            X, y = X[order], y[order]
            whole = len(order) // task.batch
            cut = whole * task.batch
            batches = X[:cut].reshape(whole, task.batch, *X.shape[1:]), y[:cut].reshape(whole, task.batch, *y.shape[1:])
            carry, losses = lax.scan(step, carry, batches)
            if cut < len(order):
                carry, _ = step(carry, (X[cut:], y[cut:]))
            return carry, losses.mean()

        def shuffled(carry: Any, X: Any, y: Any, key: Any) -> Any:
            key, own = jax.random.split(key)
            return *epoch(carry, X, y, jax.random.permutation(own, task.examples)), key

        def one(carry: Any, X: Any, y: Any, rows: Any) -> Any:
            return step(carry, (X[rows], y[rows]))[0]

        self.network = jax.jit(network)
        self.pulled = jax.jit(lambda params, x: jax.vjp(lambda own: network(own, x), params)[1])
        self.back = jax.jit(lambda pull, delta: pull(delta)[0])
        self.one = partial(jax.jit, donate_argnums=0)(one)
        self.epoch = partial(jax.jit, donate_argnums=0)(epoch)
        self.shuffled = partial(jax.jit, donate_argnums=(0, 3))(shuffled)
        self.reset()

    def reset(self) -> None:
        params = [jnp.array(p) for p in self.first]
        self.carry = params, self.optimizer.init(params)

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            if self.variant == "permutation inside":
                self.carry, _, self.key = self.shuffled(self.carry, self.X, self.y, self.key)
            else:
                self.follow(self.rng.permutation(self.task.examples))
        jax.block_until_ready(self.carry)

    def follow(self, order: np.ndarray) -> None:
        order = order.astype(np.int32)
        if self.variant == "a step at a time":
            for at in range(0, len(order), self.task.batch):
                self.carry = self.one(self.carry, self.X, self.y, order[at : at + self.task.batch])
        else:
            self.carry, _ = self.epoch(self.carry, self.X, self.y, order)

    def parameters(self) -> list[np.ndarray]:
        return [np.asarray(p) for p in self.carry[0]]

    def predicting(self, X: np.ndarray) -> Callable[[], Any]:
        x = jnp.asarray(X)
        return lambda: jax.block_until_ready(self.network(self.carry[0], x))

    def going_back(self, X: np.ndarray, delta: np.ndarray) -> Callable[[], Any]:
        pull, delta_there = self.pulled(self.carry[0], jnp.asarray(X)), jnp.asarray(delta)
        return lambda: jax.block_until_ready(self.back(pull, delta_there))


def _apply(layer: Layer, own: list[Any], x: Any) -> Any:
    if layer.kind == "linear":
        return x @ own[0] + own[1]
    if layer.kind.startswith("conv"):
        names = ("NWC", "WIO", "NWC") if layer.kind == "conv1d" else ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, own[0], (1,) * (x.ndim - 2), "VALID", dimension_numbers=names) + own[1]
    if layer.kind.startswith("maxpool"):
        window = (1, *(layer.size,) * (x.ndim - 2), 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    return {"relu": jax.nn.relu, "tanh": jnp.tanh, "flatten": lambda v: v.reshape(len(v), -1)}[layer.kind](x)
