"""PyTorch, eager: tensors in memory, gathered once an epoch, no DataLoader; the fastest of its forms.

`torch.nn.functional` on the parameters themselves is a little faster than the calls of `torch.nn.Sequential`. Its optimizers
have two forms, its convolutions two layouts of an image.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tasks import MOMENTUM, Contestant, Layer, Task
from torch.nn import functional

if "OMP_NUM_THREADS" in os.environ:
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class Eager(Contestant):
    variants = ("fused", "foreach", "fused, channels last")

    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        self.task, self.first, self.variant = task, first, variant
        self.flat = _Flattened(task)
        images = np.ascontiguousarray(np.moveaxis(X, -1, 1)) if X.ndim > 2 else X  # channels first
        self.X, self.y = torch.from_numpy(images), torch.from_numpy(y)
        self.format = torch.channels_last if "channels last" in variant and X.ndim == 4 else torch.contiguous_format
        self.X = self.X.contiguous(memory_format=self.format)
        self.params = [
            torch.tensor(p).contiguous(memory_format=self.format if p.ndim == 4 else torch.contiguous_format).requires_grad_()
            for p in self.flat.theirs(first)
        ]
        self.loss, self.network = self.plain_loss, self.plain_network
        torch.manual_seed(3)
        self.reset()

    def reset(self) -> None:
        with torch.no_grad():
            for p, value in zip(self.params, self.flat.theirs(self.first)):
                p.copy_(torch.from_numpy(value))
        form = {self.variant.split(",")[0]: True}
        if self.task.optimizer == "adam":
            self.optimizer = torch.optim.Adam(self.params, lr=self.task.lr, **form)
        else:
            self.optimizer = torch.optim.SGD(self.params, lr=self.task.lr, momentum=MOMENTUM, **form)

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self._epoch(torch.randperm(self.task.examples))

    def follow(self, order: np.ndarray) -> None:
        self._epoch(torch.from_numpy(order))

    def plain_network(self, x: torch.Tensor) -> torch.Tensor:
        at = 0
        for layer in self.task.layers:
            if layer.shapes:
                x = _WITH_WEIGHTS[layer.kind](x, self.params[at], self.params[at + 1])
                at += 2
            else:
                x = _apply(layer, x)
        return x

    def plain_loss(self, x: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        x = self.plain_network(x)
        if self.task.loss == "cross-entropy":
            return functional.cross_entropy(x, truth)
        loss = functional.mse_loss if self.task.loss == "mse" else functional.binary_cross_entropy_with_logits
        return loss(x, truth, reduction="sum") / len(x)

    def _epoch(self, order: torch.Tensor) -> None:
        optimizer, size = self.optimizer, self.task.batch
        for x, truth in zip(self.X.index_select(0, order).split(size), self.y.index_select(0, order).split(size)):
            optimizer.zero_grad(set_to_none=True)
            self.loss(x, truth).backward()
            optimizer.step()

    def parameters(self) -> list[np.ndarray]:
        return self.flat.ours([p.detach().numpy() for p in self.params])

    def _taken(self, X: np.ndarray) -> torch.Tensor:
        images = np.ascontiguousarray(np.moveaxis(X, -1, 1)) if X.ndim > 2 else X
        return torch.from_numpy(images).contiguous(memory_format=self.format)

    def predicting(self, X: np.ndarray) -> Callable[[], Any]:
        x = self._taken(X)

        def predict() -> Any:
            with torch.inference_mode():
                return self.network(x)

        return predict

    def going_back(self, X: np.ndarray, delta: np.ndarray) -> Callable[[], Any]:
        out, delta_there = self.network(self._taken(X)), torch.from_numpy(delta)
        return lambda: torch.autograd.grad(out, self.params, delta_there, retain_graph=True)

    def in_our_form(self, gradients: list[Any]) -> list[np.ndarray]:
        return self.flat.ours([g.numpy() for g in gradients])


class Compiled(Eager):
    """Forward and loss, and so backward, by torch.compile. It needs a C++ compiler."""

    variants = ("fused",)

    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        super().__init__(task, X, y, first, variant)
        self.loss, self.network = torch.compile(self.plain_loss), torch.compile(self.plain_network)


_WITH_WEIGHTS = {"linear": functional.linear, "conv1d": functional.conv1d, "conv2d": functional.conv2d}


def _apply(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    if layer.kind.startswith("maxpool"):
        pool = functional.max_pool1d if layer.kind == "maxpool1d" else functional.max_pool2d
        return pool(x, layer.size)
    return {"relu": torch.relu, "tanh": torch.tanh, "flatten": lambda v: v.flatten(1)}[layer.kind](x)


class _Flattened:
    """From the task's parameters to PyTorch's and back: channels come first, also of what has been flattened."""

    def __init__(self, task: Task) -> None:
        self.plans: list[tuple[int, ...] | None] = []  # for each W: the image that was flattened before it, if one was
        shape, image = task.shape, None
        for layer in task.layers:
            if layer.kind.startswith("conv"):
                shape = (*(n - layer.size + 1 for n in shape[:-1]), layer.m)
            elif layer.kind.startswith("maxpool"):
                shape = (*(n // layer.size for n in shape[:-1]), shape[-1])
            elif layer.kind == "flatten":
                image = shape
            if layer.shapes:
                self.plans.append(image)
                image = None

    def theirs(self, parameters: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        for i, p in enumerate(parameters):
            if i % 2 == 0:
                image = self.plans[i // 2]
                if image is not None:
                    p = np.moveaxis(p.reshape(*image, p.shape[-1]), -2, 0).reshape(p.shape)
                p = np.moveaxis(p, (-1, -2), (0, 1))
            found.append(np.ascontiguousarray(p))
        return found

    def ours(self, parameters: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        for i, p in enumerate(parameters):
            if i % 2 == 0:
                p = np.moveaxis(p, (0, 1), (-1, -2))
                image = self.plans[i // 2]
                if image is not None:
                    p = np.moveaxis(p.reshape(image[-1], *image[:-1], p.shape[-1]), 0, -2).reshape(p.shape)
            found.append(np.ascontiguousarray(p))
        return found
