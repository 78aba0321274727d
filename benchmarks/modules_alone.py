"""Every module alone, forward and backward, beside PyTorch's where it has one.

Modules are found by discovery: every class of `modnet.modules` that has `examples`. A class needs an entry in `PEERS` only
to be built at a typical size and to have PyTorch's beside it; without one it is timed on the largest of its examples.

Backward is both of ours, `backward_update_gradient` and `backward_delta`; theirs is one `torch.autograd.grad` by input and
parameters, of a graph that is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Peer(NamedTuple):
    """How a module is built at a typical size, and the expression, of `torch.nn` as nn, that gives PyTorch's."""

    arguments: tuple[Any, ...]
    shape: tuple[int, ...]
    torch: str
    torch_shape: tuple[int, ...] = ()  # where it is another: PyTorch has channels first
    whole: int = 0  # for an input of whole numbers, how many there are


WIDE = (32, 100)
LONG, LONG_FIRST = (32, 64, 8), (32, 8, 64)
IMAGE, IMAGE_FIRST = (32, 16, 16, 8), (32, 8, 16, 16)
PEERS = {
    "Linear": Peer((100, 100), (32, 100), "nn.Linear(100, 100)"),
    "Tanh": Peer((), WIDE, "nn.Tanh()"),
    "Sigmoid": Peer((), WIDE, "nn.Sigmoid()"),
    "ReLU": Peer((), WIDE, "nn.ReLU()"),
    "LeakyReLU": Peer((), WIDE, "nn.LeakyReLU()"),
    "ELU": Peer((), WIDE, "nn.ELU()"),
    "SELU": Peer((), WIDE, "nn.SELU()"),
    "GELU": Peer((), WIDE, "nn.GELU()"),
    "SiLU": Peer((), WIDE, "nn.SiLU()"),
    "Softplus": Peer((), WIDE, "nn.Softplus()"),
    "Softsign": Peer((), WIDE, "nn.Softsign()"),
    "Mish": Peer((), WIDE, "nn.Mish()"),
    "Threshold": Peer((), WIDE, "nn.Threshold(0.0, 0.0)"),
    "Ramp": Peer((), WIDE, "nn.Hardtanh()"),
    "PReLU": Peer((), WIDE, "nn.PReLU()"),
    "Softmax": Peer((), WIDE, "nn.Softmax(-1)"),
    "LogSoftmax": Peer((), WIDE, "nn.LogSoftmax(-1)"),
    "Identity": Peer((), WIDE, "nn.Identity()"),
    "Flatten": Peer((), (32, 10, 10), "nn.Flatten()"),
    "Dropout": Peer((0.5,), WIDE, "nn.Dropout(0.5)"),
    "LayerNorm": Peer((100,), WIDE, "nn.LayerNorm(100)"),
    "BatchNorm": Peer((100,), WIDE, "nn.BatchNorm1d(100)"),
    "Conv1D": Peer((3, 8, 16), LONG, "nn.Conv1d(8, 16, 3)", LONG_FIRST),
    "Conv2D": Peer((3, 8, 16), IMAGE, "nn.Conv2d(8, 16, 3)", IMAGE_FIRST),
    "ConvTranspose1D": Peer((3, 8, 16), LONG, "nn.ConvTranspose1d(8, 16, 3)", LONG_FIRST),
    "ConvTranspose2D": Peer((3, 8, 16), IMAGE, "nn.ConvTranspose2d(8, 16, 3)", IMAGE_FIRST),
    "Embedding": Peer((100, 32), (32, 20), "nn.Embedding(100, 32)", whole=100),
    "GlobalAvgPool": Peer((), IMAGE, "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())", IMAGE_FIRST),
    "GlobalMaxPool": Peer((), IMAGE, "nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())", IMAGE_FIRST),
    "MaxPool1D": Peer((2,), LONG, "nn.MaxPool1d(2)", LONG_FIRST),
    "AvgPool1D": Peer((2,), LONG, "nn.AvgPool1d(2)", LONG_FIRST),
    "MaxPool2D": Peer((2,), IMAGE, "nn.MaxPool2d(2)", IMAGE_FIRST),
    "AvgPool2D": Peer((2,), IMAGE, "nn.AvgPool2d(2)", IMAGE_FIRST),
}


def _kinds() -> dict[str, Any]:
    from modnet import modules

    found = {name: getattr(modules, name) for name in modules.__all__}
    return {name: kind for name, kind in sorted(found.items()) if hasattr(kind, "examples")}


def names() -> list[list[str]]:
    """Every module's name and how it is built here, with its input."""
    return [[name, *_described(name, kind)] for name, kind in _kinds().items()]


def _built(name: str, kind: Any) -> tuple[Any, tuple[int, ...]]:
    if name in PEERS:
        return kind(*PEERS[name].arguments), PEERS[name].shape
    return max(kind.examples(), key=lambda example: np.prod(example[1]))


def _described(name: str, kind: Any) -> tuple[str, str]:
    module, shape = _built(name, kind)
    return repr(module) if len(repr(module)) < 40 else name, str(shape)


def _numbers(shape: tuple[int, ...], whole: int = 0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, whole, shape) if whole else rng.normal(size=shape).astype(np.float32)


class Ours:
    missing = False

    def __init__(self, name: str) -> None:
        module, shape = _built(name, _kinds()[name])
        self.module = module.astype("float32").train()
        self.whole = PEERS[name].whole if name in PEERS else 0
        self.x = _numbers(shape, self.whole)
        self.delta = _numbers(np.shape(self.module.forward(self.x)))

    def forward(self) -> None:
        self.module.forward(self.x)

    def backward(self) -> None:
        self.module.backward_update_gradient(self.x, self.delta)
        if not self.whole:
            self.module.backward_delta(self.x, self.delta)


class Theirs:
    def __init__(self, name: str) -> None:
        peer = PEERS.get(name)
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
