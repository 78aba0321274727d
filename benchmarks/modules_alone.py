"""Every module alone, forward and backward, beside PyTorch's where it has one.

Modules are found by discovery: every class of `modnet.modules` that has `examples`. A class needs an entry in `PEERS` only
to be built at three sizes and to have PyTorch's beside it; without one it is timed on the largest of its examples.

Backward is both of ours, `backward_update_gradient` and `backward_delta`; theirs is one `torch.autograd.grad` by input and
parameters, of a graph that is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Peer(NamedTuple):
    """How a module is built at a size, and the expression, of `torch.nn` as nn, that gives PyTorch's."""

    arguments: tuple[Any, ...]
    shape: tuple[int, ...]
    torch: str
    torch_shape: tuple[int, ...] = ()  # where it is another: PyTorch has channels first
    whole: int = 0  # for an input of whole numbers, how many there are


SIZES = ("small", "typical", "large")
WIDE = (4, 10), (32, 100), (256, 1000)
LONG = (4, 16, 4), (32, 64, 8), (64, 256, 32)
IMAGE = (4, 8, 8, 4), (32, 16, 16, 8), (32, 32, 32, 32)


def _over(shapes: tuple[tuple[int, ...], ...], torch: str, *arguments: Any) -> tuple[Peer, ...]:
    """A peer for each size. "n" among the arguments, {n} and {m} in the expression stand for the last axis and for twice it."""
    found = []
    for shape in shapes:
        n = shape[-1]
        own = tuple({"n": n, "2n": 2 * n}.get(value, value) for value in arguments)
        first = (shape[0], n, *shape[1:-1]) if len(shape) > 2 and torch[3:] != "Flatten()" else ()
        found.append(Peer(own, shape, torch.format(n=n, m=2 * n), first))
    return tuple(found)


PEERS = {
    "Linear": _over(WIDE, "nn.Linear({n}, {n})", "n", "n"),
    "Tanh": _over(WIDE, "nn.Tanh()"),
    "Sigmoid": _over(WIDE, "nn.Sigmoid()"),
    "ReLU": _over(WIDE, "nn.ReLU()"),
    "LeakyReLU": _over(WIDE, "nn.LeakyReLU()"),
    "ELU": _over(WIDE, "nn.ELU()"),
    "SELU": _over(WIDE, "nn.SELU()"),
    "GELU": _over(WIDE, "nn.GELU()"),
    "SiLU": _over(WIDE, "nn.SiLU()"),
    "Softplus": _over(WIDE, "nn.Softplus()"),
    "Softsign": _over(WIDE, "nn.Softsign()"),
    "Mish": _over(WIDE, "nn.Mish()"),
    "Threshold": _over(WIDE, "nn.Threshold(0.0, 0.0)"),
    "Ramp": _over(WIDE, "nn.Hardtanh()"),
    "PReLU": _over(WIDE, "nn.PReLU()"),
    "Softmax": _over(WIDE, "nn.Softmax(-1)"),
    "LogSoftmax": _over(WIDE, "nn.LogSoftmax(-1)"),
    "Identity": _over(WIDE, "nn.Identity()"),
    "Flatten": _over(((4, 3, 3), (32, 10, 10), (256, 32, 32)), "nn.Flatten()"),
    "Dropout": _over(WIDE, "nn.Dropout(0.5)", 0.5),
    "LayerNorm": _over(WIDE, "nn.LayerNorm({n})", "n"),
    "BatchNorm": _over(WIDE, "nn.BatchNorm1d({n})", "n"),
    "Conv1D": _over(LONG, "nn.Conv1d({n}, {m}, 3)", 3, "n", "2n"),
    "Conv2D": _over(IMAGE, "nn.Conv2d({n}, {m}, 3)", 3, "n", "2n"),
    "ConvTranspose1D": _over(LONG, "nn.ConvTranspose1d({n}, {m}, 3)", 3, "n", "2n"),
    "ConvTranspose2D": _over(IMAGE, "nn.ConvTranspose2d({n}, {m}, 3)", 3, "n", "2n"),
    "Embedding": tuple(
        Peer((n, m), shape, f"nn.Embedding({n}, {m})", whole=n)
        for n, m, shape in ((10, 8, (4, 5)), (100, 32, (32, 20)), (10_000, 128, (64, 100)))
    ),
    "GlobalAvgPool": _over(IMAGE, "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())"),
    "GlobalMaxPool": _over(IMAGE, "nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())"),
    "MaxPool1D": _over(LONG, "nn.MaxPool1d(2)", 2),
    "AvgPool1D": _over(LONG, "nn.AvgPool1d(2)", 2),
    "MaxPool2D": _over(IMAGE, "nn.MaxPool2d(2)", 2),
    "AvgPool2D": _over(IMAGE, "nn.AvgPool2d(2)", 2),
}


def _kinds() -> dict[str, Any]:
    from modnet import modules

    found = {name: getattr(modules, name) for name in modules.__all__}
    return {name: kind for name, kind in sorted(found.items()) if hasattr(kind, "examples")}


def names() -> list[tuple[str, int, str, str]]:
    """For every module and size its name, the size's number, how it is built here, and its input."""
    return [
        (name, size, *_described(name, kind, size))
        for name, kind in _kinds().items()
        for size in range(len(SIZES) if name in PEERS else 1)
    ]


def _built(name: str, kind: Any, size: int) -> tuple[Any, tuple[int, ...]]:
    if name in PEERS:
        return kind(*PEERS[name][size].arguments), PEERS[name][size].shape
    return max(kind.examples(), key=lambda example: np.prod(example[1]))


def _described(name: str, kind: Any, size: int) -> tuple[str, str]:
    module, shape = _built(name, kind, size)
    return repr(module) if len(repr(module)) < 40 else name, str(shape)


def _numbers(shape: tuple[int, ...], whole: int = 0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, whole, shape) if whole else rng.normal(size=shape).astype(np.float32)


class Ours:
    missing = False

    def __init__(self, name: str, size: int) -> None:
        module, shape = _built(name, _kinds()[name], size)
        self.module = module.astype("float32").train()
        self.whole = PEERS[name][size].whole if name in PEERS else 0
        self.x = _numbers(shape, self.whole)
        self.delta = _numbers(np.shape(self.module.forward(self.x)))

    def forward(self) -> None:
        self.module.forward(self.x)

    def backward(self) -> None:
        self.module.backward_update_gradient(self.x, self.delta)
        if not self.whole:
            self.module.backward_delta(self.x, self.delta)


class Theirs:
    def __init__(self, name: str, size: int) -> None:
        peer = PEERS[name][size] if name in PEERS else None
        self.missing = peer is None
        if peer is None:
            return
        import os

        import torch
        from torch import nn

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.grad: Callable[..., Any] = torch.autograd.grad
        self.module = eval(peer.torch, {"nn": nn})
        self.x = torch.from_numpy(_numbers(peer.torch_shape or peer.shape, peer.whole))
        self.wanted = tuple(self.module.parameters())
        if not peer.whole:
            self.wanted = (self.x.requires_grad_(), *self.wanted)
        self.out = self.module(self.x)
        self.delta = torch.ones_like(self.out)

    def forward(self) -> None:
        self.module(self.x)

    def backward(self) -> None:
        self.grad(self.out, self.wanted, self.delta, retain_graph=True)
