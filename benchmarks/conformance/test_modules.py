"""Modules against PyTorch's: the output and both gradients to 1e-9 of the largest value, in float64.

By discovery: a module written later is compared, or fails here until `theirs` says what it is in PyTorch.
"""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from theirs import MODULES, WITHOUT_MODULES, assert_close, copied, output
from torch import nn
from torch.nn import functional as F

from modnet import (
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dropout,
    Embedding,
    GaussianNoise,
    GlobalMaxPool,
    LayerNorm,
    Linear,
    MaxPool1D,
    MaxPool2D,
    PReLU,
    Ramp,
    Residual,
    Sequential,
    Tanh,
    Threshold,
    Tied,
)
from modnet.discovery import all_modules
from modnet.modules.elementwise import Elementwise

KINDS = all_modules()


def more():
    """What the examples leave out: windows of several blocks, strides that leave gaps, wide layers, Tied beside its Linear."""
    shared = Linear(5, 3, rng=7)
    tied = Sequential(Linear(4, 5, rng=15), Tanh(), shared, Tanh(), Tied(shared), Residual(Linear(5, 5, rng=16), Tanh()))
    return [
        (Conv1D(3, 1, 32, rng=0), (4, 256, 1)),
        (Conv1D(3, 3, 5, stride=2, padding=1, rng=1), (1, 8, 3)),
        (Conv1D(5, 24, 40, stride=3, padding=4, rng=2), (7, 50, 24)),
        (Conv1D(2, 2, 3, stride=5, rng=3), (3, 14, 2)),
        (Conv2D(5, 1, 6, padding=2, rng=4), (8, 28, 28, 1)),
        (Conv2D(5, 6, 16, rng=5), (8, 14, 14, 6)),
        (Conv2D(3, 20, 33, stride=2, padding=1, rng=6), (3, 9, 8, 20)),
        (Conv2D((3, 2), 2, 3, stride=(3, 1), padding=(2, 1), rng=7), (1, 8, 5, 2)),
        (Conv2D(2, 3, 2, stride=3, rng=8), (2, 9, 10, 3)),
        (ConvTranspose1D(3, 16, 24, stride=2, padding=1, rng=9), (5, 30, 16)),
        (ConvTranspose1D(2, 3, 2, stride=3, rng=10), (1, 6, 3)),
        (ConvTranspose2D(4, 8, 5, stride=2, padding=1, rng=11), (3, 7, 7, 8)),
        (ConvTranspose2D((2, 3), 3, 4, stride=3, padding=(0, 2), rng=12), (1, 5, 4, 3)),
        (MaxPool1D(3, stride=2, padding=1), (4, 40, 20)),
        (MaxPool2D(3, stride=2, padding=1), (4, 12, 11, 20)),
        (MaxPool2D(2, stride=1), (2, 6, 6, 3)),
        (AvgPool1D(3, stride=2, padding=1), (4, 41, 20)),
        (AvgPool2D((3, 2), stride=(2, 1), padding=1), (4, 12, 11, 20)),
        (GlobalMaxPool(), (3, 9, 9, 21)),
        (LayerNorm(130), (5, 130)),
        (BatchNorm(40), (64, 40)),
        (BatchNorm(6, momentum=0.3), (8, 5, 4, 6)),
        (Linear(300, 130, rng=13), (70, 300)),
        (Embedding(50, 30, rng=14), (40, 25)),
        (tied, (6, 4)),
    ]


def made(kind, index):
    """One of the examples of a class, or of those above."""
    return more()[index] if kind is None else kind.examples()[index]


def kinks(module):
    """Where the derivative of an elementwise module is a choice."""
    if isinstance(module, Threshold):
        return [module.threshold]
    if isinstance(module, Ramp):
        return [module.low, module.high]
    return [0.0, -0.0]


INPUTS = {
    "normal": lambda module, shape, rng: rng.normal(size=shape),
    "large": lambda module, shape, rng: 100 * rng.normal(size=shape),
    "tied": lambda module, shape, rng: rng.integers(-1, 2, shape) * 1.0,
    "zero": lambda module, shape, rng: np.zeros(shape),
    "kinks": lambda module, shape, rng: rng.choice([*kinks(module), -0.7, 0.6], shape),
    "one": lambda module, shape, rng: rng.normal(size=(1, *shape[1:])),
}


def draw(module, shape, numbers, rng):
    if isinstance(module, Embedding):
        return module.example_input((1, *shape[1:]) if numbers == "one" else shape, rng)
    return INPUTS[numbers](module, shape, rng)


def cases():
    """Every example with every input and in both modes, where these matter."""
    for kind in [*(kind for kind in KINDS if kind not in WITHOUT_MODULES), None]:
        for index, (module, _) in enumerate(more() if kind is None else kind.examples()):
            for numbers in INPUTS:
                if numbers == "kinks" and not isinstance(module, Elementwise | PReLU):
                    continue
                if isinstance(module, Embedding) and numbers not in ("normal", "one"):
                    continue
                for training in (True, False) if getattr(module, "draws", False) else (True,):
                    name = f"{module}-{index}-{numbers}{'' if training else '-eval'}"
                    yield pytest.param(kind, index, numbers, training, id=name)


def compare(module, X, rng):
    """Output, both gradients and buffers of a module against those of its copy."""
    copies = copied(module)
    x = torch.tensor(X, requires_grad=X.dtype.kind == "f")
    out = module.forward(X)
    their = output(module, x, copies)
    assert_close(out, their, "output")
    delta = rng.normal(size=out.shape)
    if their.requires_grad:
        their.backward(torch.tensor(delta))
    for each in copies:
        each.zero_grad()
    module.backward_update_gradient(X, delta)
    for each, named in copies.items():
        for name, tensor in named.items():
            if isinstance(tensor, nn.Parameter):
                grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad  # the other bias of a Tied
                assert_close(getattr(each, f"{name}_gradient"), grad, f"gradient of {each}'s {name}")
            else:
                assert_close(getattr(each, name), tensor, name)
    if x.requires_grad:
        assert_close(module.backward_delta(X, delta), x.grad, "gradient of the input")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_module_has_an_equal_in_pytorch_or_a_reason_for_none(kind):
    assert (kind in MODULES) != bool(WITHOUT_MODULES.get(kind)), f"{kind.__name__}: say in theirs.py what it is in PyTorch"


@pytest.mark.parametrize(("kind", "index", "numbers", "training"), list(cases()))
def test_outputs_and_gradients(kind, index, numbers, training):
    module, shape = made(kind, index)
    module.training = training
    rng = np.random.default_rng(index)
    X = draw(module, shape, numbers, rng)
    if isinstance(module, BatchNorm) and training and X.size == X.shape[-1]:
        for refuses in (lambda: module.forward(X), lambda: output(module, torch.tensor(X), copied(module))):
            with pytest.raises(ValueError, match=r"batch of one|more than 1 value"):
                refuses()
        return
    compare(module, X, rng)


def test_batch_norm_over_several_steps_and_then_in_evaluation():
    rng = np.random.default_rng(0)
    module = BatchNorm(3, momentum=0.2, eps=1e-3)
    module.parameters[:] = rng.normal(size=6)
    their = nn.BatchNorm1d(3, eps=1e-3, momentum=0.2, dtype=torch.float64)
    their.load_state_dict({name: torch.tensor(getattr(module, name)) for name in ("weight", "bias")}, strict=False)
    for batch in (7, 2, 30, 4, 9):
        X = rng.normal(rng.normal(size=3), rng.uniform(0.5, 3, 3), (batch, 3))
        assert_close(module.forward(X), their(torch.tensor(X)), "output")
        assert_close(module.running_mean, their.running_mean, "running mean")
        assert_close(module.running_var, their.running_var, "running variance")
    module.eval(), their.eval()
    X, delta = rng.normal(size=(2, 5, 3))
    x = torch.tensor(X, requires_grad=True)
    out = their(x)
    out.backward(torch.tensor(delta))
    assert_close(module.forward(X), out, "output")
    module.backward_update_gradient(X, delta)
    assert_close(module.backward_delta(X, delta), x.grad, "gradient of the input")
    assert_close(module.weight_gradient, their.weight.grad, "gradient of the weight")
    assert_close(module.bias_gradient, their.bias.grad, "gradient of the bias")
    assert_close(module.running_mean, their.running_mean, "running mean")


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_and_scales_as_many(p):
    torch.manual_seed(0)
    n = 400_000
    mine = Dropout(p, rng=0).forward(np.ones((1, n)))
    their = F.dropout(torch.ones(1, n, dtype=torch.float64), p).numpy()
    np.testing.assert_allclose(np.unique(mine), np.unique(their), rtol=1e-15)
    deviation = np.sqrt(p / (1 - p) / n)  # of the mean: (1 - p) (1 / (1 - p))^2 - 1 = p / (1 - p)
    assert abs(mine.mean() - 1) < 5 * deviation
    assert abs(mine.mean() - their.mean()) < 5 * np.sqrt(2) * deviation


def test_gaussian_noise_is_distributed_as_pytorchs_normal_numbers():
    n = 100_000
    mine = GaussianNoise(2.0, rng=0).forward(np.zeros((1, n))) / 2.0
    their = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).numpy()
    # Two samples of one distribution are further apart with probability 2 exp(-2 * 2.5^2), 7e-6 (Kolmogorov and Smirnov).
    assert ks_2samp(mine[0], their).statistic < 2.5 * np.sqrt(2 / n)
