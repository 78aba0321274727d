"""Weights that go to PyTorch and come back: both libraries compute the same with them."""

import numpy as np
import pytest
import torch
from torch import nn

from modnet import (
    AvgPool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2D,
    PReLU,
    ReLU,
    Sequential,
    Tanh,
    predict,
)
from modnet.exchange import from_pytorch, load_safetensors, to_pytorch


def images():
    mine = Sequential(
        Conv2D(3, 2, 4, padding=1), BatchNorm(4), ReLU(), MaxPool2D(2), ConvTranspose2D((2, 3), 4, 3, stride=2), AvgPool2D(2),
        Flatten(), LayerNorm(24), Dropout(0.3), BatchNorm(24), PReLU(), Linear(24, 5),
    )  # fmt: skip
    theirs = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.ConvTranspose2d(4, 3, (2, 3), stride=2), nn.AvgPool2d(2), nn.Flatten(), nn.LayerNorm(24),
        nn.Dropout(0.3), nn.BatchNorm1d(24), nn.PReLU(), nn.Linear(24, 5),
    )  # fmt: skip
    return mine, theirs, (4, 8, 2)


def sequences():
    mine = Sequential(Conv1D(3, 4, 6), Tanh(), Flatten(), Linear(36, 3))
    return mine, nn.Sequential(nn.Conv1d(4, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(36, 3)), (8, 4)


@pytest.mark.parametrize("make", [images, sequences])
def test_both_compute_the_same_from_one_state(make, tmp_path):
    mine, theirs, shape = make()
    rng = np.random.default_rng(0)
    mine.load_state_dict({name: rng.uniform(0.5, 1.5, a.shape) for name, a in mine.state_dict().items()})
    x = rng.normal(size=(3, *shape))
    turned = torch.tensor(np.moveaxis(x, -1, 1))

    theirs = theirs.double().eval()
    theirs.load_state_dict({name: torch.tensor(a) for name, a in to_pytorch(mine, shape).items()})
    np.testing.assert_allclose(theirs(turned).detach().numpy(), predict(mine, x), rtol=1e-10)

    for p in theirs.parameters():
        p.data += torch.randn_like(p)
    from_pytorch(mine, theirs.state_dict(), shape)
    np.testing.assert_allclose(predict(mine, x), theirs(turned).detach().numpy(), rtol=1e-10)

    from safetensors.torch import save_file

    for p in theirs.parameters():
        p.data += torch.randn_like(p)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    load_safetensors(mine, tmp_path / "theirs.safetensors", shape)
    np.testing.assert_allclose(predict(mine, x), theirs(turned).detach().numpy(), rtol=1e-10)


def test_words():
    mine, theirs = Sequential(Embedding(7, 3), Linear(3, 2)), nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2)).double()
    from_pytorch(mine, theirs.state_dict())
    words = np.random.default_rng(0).integers(0, 7, (4, 5))
    np.testing.assert_allclose(predict(mine, words), theirs(torch.tensor(words)).detach().numpy(), rtol=1e-12)
