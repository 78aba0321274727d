"""PyTorch, eager: tensors in memory, gathered once an epoch, no DataLoader; the faster of its optimizers' forms.

`torch.nn.functional` on the parameters themselves is a little faster than the calls of `torch.nn.Sequential`.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from tasks import MOMENTUM, Contestant, Task
from torch.nn import functional

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class Eager(Contestant):
    variants = ("fused", "foreach")

    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        self.task, self.first, self.variant = task, first, variant
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        self.activation = {"relu": torch.relu, "tanh": torch.tanh}[task.activation]
        # PyTorch's weights are (out, in).
        self.params = [torch.tensor(np.ascontiguousarray(p.T)).requires_grad_() for p in first]
        self.loss = self.plain_loss
        torch.manual_seed(3)
        self.reset()

    def reset(self) -> None:
        with torch.no_grad():
            for p, value in zip(self.params, self.first):
                p.copy_(torch.from_numpy(value.T))
        form = {self.variant: True}
        if self.task.optimizer == "adam":
            self.optimizer = torch.optim.Adam(self.params, lr=self.task.lr, **form)
        else:
            self.optimizer = torch.optim.SGD(self.params, lr=self.task.lr, momentum=MOMENTUM, **form)

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self._epoch(torch.randperm(self.task.examples))

    def follow(self, order: np.ndarray) -> None:
        self._epoch(torch.from_numpy(order))

    def plain_loss(self, x: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        params = self.params
        for i in range(0, len(params), 2):
            x = functional.linear(x, params[i], params[i + 1])
            if i < len(params) - 2:
                x = self.activation(x)
        return functional.cross_entropy(x, truth)

    def _epoch(self, order: torch.Tensor) -> None:
        optimizer, size = self.optimizer, self.task.batch
        for x, truth in zip(self.X.index_select(0, order).split(size), self.y.index_select(0, order).split(size)):
            optimizer.zero_grad(set_to_none=True)
            self.loss(x, truth).backward()
            optimizer.step()

    def parameters(self) -> list[np.ndarray]:
        return [p.detach().numpy().T for p in self.params]


class Compiled(Eager):
    """Forward and loss, and so backward, by torch.compile. It needs a C++ compiler."""

    variants = ("fused",)

    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        super().__init__(task, X, y, first, variant)
        self.loss = torch.compile(self.plain_loss)
