"""Optimizers and schedules against PyTorch's: the same gradients for 50 steps, in float64.

By discovery: an optimizer written later, or a new option of one, is compared or fails here.
"""

import copy
import inspect

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from modnet import MSE, Linear, Sequential, Tanh, fit
from modnet.discovery import all_optimizers
from modnet.optim import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    CosineDecay,
    ExponentialDecay,
    NAdam,
    RandomSearch,
    ReduceOnPlateau,
    RMSprop,
    Rprop,
    StepDecay,
    Warmup,
)

STEPS = 50
SHARED_NAMES = ["momentum", "nesterov", "weight_decay", "eps", "lr_decay", "alpha", "centered", "rho", "momentum_decay"]
SHARED_NAMES += ["etas", "step_sizes"]


@pytest.fixture(autouse=True)
def _all_in_float64():
    """PyTorch keeps NAdam's product of momenta in its default type, whatever the parameters' type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def theirs(optimizer, parameters):
    """PyTorch's optimizer of the same name and settings."""
    settings = {"lr": optimizer.lr}
    for name in SHARED_NAMES:
        if hasattr(optimizer, name):
            settings[name] = getattr(optimizer, name)
    if hasattr(optimizer, "beta1"):
        settings["betas"] = optimizer.beta1, optimizer.beta2
    return getattr(torch.optim, type(optimizer).__name__)(parameters, **settings)


SETTINGS = {
    SGD: [
        {"lr": 0.1},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.05, "weight_decay": 0.1},
    ],
    Adam: [{}, {"lr": 0.1, "beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}],
    AdamW: [{}, {"lr": 0.1, "beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.5}],
    Adamax: [{}, {"lr": 0.1, "beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}],
    NAdam: [{}, {"lr": 0.1, "beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}],
    Adagrad: [{}, {"lr": 0.2, "lr_decay": 0.1, "eps": 1e-3, "weight_decay": 0.1}],
    RMSprop: [
        {},
        {"momentum": 0.9},
        {"centered": True},
        {"lr": 0.05, "alpha": 0.8, "eps": 1e-3, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
    ],
    Adadelta: [{}, {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}],
    Rprop: [{}, {"lr": 0.05, "etas": (0.7, 1.5), "step_sizes": (1e-3, 0.1)}],
}
WITHOUT = {RandomSearch: "it tries steps at random, without a gradient: PyTorch has no such optimizer"}
CASES = [pytest.param(kind, s, id=f"{kind.__name__}-{i}") for kind, several in SETTINGS.items() for i, s in enumerate(several)]


def slope(p, t):
    """Of a bowl that is pushed about, ten thousand times steeper along some axes than along others."""
    size = 10.0 ** np.linspace(-2, 1, p.size)
    return size * (p - np.cos(np.arange(p.size))) + np.sin(3.0 * t + np.arange(p.size)) * size / 2


def sparse(p, t):
    """Every number's slope is 0 two times of three, and that of some is 0 from the beginning."""
    return np.where((np.arange(p.size) + t) % 3 == 0, slope(p, t), 0.0) * (np.arange(p.size) % 5 != 0)


def constant(p, t):
    return np.linspace(-3.0, 3.0, p.size)


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_defaults_are_pytorchs(kind):
    numbers = torch.zeros(3, requires_grad=True)
    mine = kind(0.1) if kind is SGD else kind()
    named = theirs(mine, [numbers]).param_groups[0]
    default = getattr(torch.optim, kind.__name__)([numbers], **({"lr": 0.1} if kind is SGD else {})).param_groups[0]
    assert {k: v for k, v in named.items() if k != "params"} == {k: v for k, v in default.items() if k != "params"}


@pytest.mark.parametrize("kind", all_optimizers())
def test_every_option_of_every_optimizer_is_compared(kind):
    if kind in WITHOUT:
        assert not hasattr(torch.optim, kind.__name__)
        return
    options = set(inspect.signature(kind).parameters) - {"lr", "clip_norm"}
    assert options == {name for settings in SETTINGS[kind] for name in settings} - {"lr"}


@pytest.mark.parametrize("slope", [slope, sparse, constant])
@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_fifty_steps(kind, settings, slope):
    layer = Linear(6, 5, rng=0)
    tensor = torch.tensor(layer.parameters.copy(), requires_grad=True)
    optimizer = kind(**settings).attach(layer)
    their_optimizer = theirs(optimizer, [tensor])
    for t in range(STEPS):
        g = slope(layer.parameters, t)
        layer.gradient[:] = g
        tensor.grad = torch.tensor(slope(tensor.detach().numpy(), t))
        optimizer.step()
        their_optimizer.step()
        np.testing.assert_allclose(layer.parameters, tensor.detach().numpy(), rtol=0, atol=1e-10, equal_nan=False)


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_a_network_in_the_compiled_epoch(kind, settings):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]
    net = Sequential(Linear(3, 6, rng=0), Tanh(), Linear(6, 1, rng=1))
    model = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    with torch.no_grad():
        for mine, their in ((net[0], model[0]), (net[2], model[2])):
            their.weight.copy_(torch.tensor(mine.weight.T.copy()))
            their.bias.copy_(torch.tensor(mine.bias.copy()))
    optimizer = kind(**settings)
    their_optimizer = theirs(optimizer, model.parameters())
    fit(net, X, y, loss=MSE(), optimizer=optimizer, epochs=5, batch_size=20, shuffle=False, progress=False)
    for _ in range(5):
        for at in range(0, 200, 20):
            their_optimizer.zero_grad()
            cost = ((model(torch.tensor(X[at : at + 20])) - torch.tensor(y[at : at + 20])) ** 2).sum() / 20
            cost.backward()
            their_optimizer.step()
    for mine, their in ((net[0], model[0]), (net[2], model[2])):
        np.testing.assert_allclose(mine.weight, their.weight.detach().numpy().T, rtol=0, atol=1e-10)
        np.testing.assert_allclose(mine.bias, their.bias.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_factors_and_frozen_modules_are_parameter_groups(momentum):
    net = Sequential(Linear(3, 4, rng=0), Linear(4, 3, rng=1), Linear(3, 2, rng=2))
    tensors = [torch.tensor(module.parameters.copy(), requires_grad=i > 0) for i, module in enumerate(net)]
    optimizer = SGD(0.1, momentum=momentum, weight_decay=0.3).attach(net, {0: 0.0, 1: 0.2})
    groups = [{"params": [tensors[1]], "lr": 0.02}, {"params": [tensors[2]]}]
    their_optimizer = torch.optim.SGD(groups, lr=0.1, momentum=momentum, weight_decay=0.3)
    for t in range(STEPS):
        for module, tensor in zip(net, tensors):
            module.gradient[:] = slope(module.parameters, t)
            tensor.grad = torch.tensor(slope(tensor.detach().numpy(), t))
        optimizer.step()
        their_optimizer.step()
    for module, tensor in zip(net, tensors):
        np.testing.assert_allclose(module.parameters, tensor.detach().numpy(), rtol=0, atol=1e-10)


def test_clip_norm_is_pytorchs_but_for_the_small_number_it_adds_to_the_norm():
    layer = Linear(6, 5, rng=0)
    layer.gradient[:] = slope(layer.parameters, 0)
    tensor = torch.zeros(35, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(layer.gradient.copy())
    torch.nn.utils.clip_grad_norm_([tensor], 2.0)
    before = layer.parameters.copy()
    SGD(1.0, clip_norm=2.0).attach(layer).step()
    np.testing.assert_allclose(before - layer.parameters, tensor.grad.numpy(), rtol=1e-6)


def rates_of(schedule, losses, steps_an_epoch=1):
    optimizer, found = SGD(schedule).attach(Linear(1, 1, rng=0)), []
    for loss in losses:
        for _ in range(steps_an_epoch):
            found.append(optimizer.lr)
            optimizer.step()
        optimizer.epoch_end(loss)
    return found


@pytest.mark.parametrize(
    ("mine", "their"),
    [
        (StepDecay(0.1, 7, 0.3), lambda o: lr_scheduler.StepLR(o, 7, 0.3)),
        (ExponentialDecay(0.1, 0.9), lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
        (CosineDecay(0.1, 39, 0.01), lambda o: lr_scheduler.CosineAnnealingLR(o, 39, 0.01)),
        (Warmup(8, 0.1), lambda o: lr_scheduler.LinearLR(o, 1 / 8, 1.0, 7)),
        (ReduceOnPlateau(0.1, 0.5, 2, 0.05, 1e-3),
         lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=0.05, min_lr=1e-3)),
        (ReduceOnPlateau(0.1), lr_scheduler.ReduceLROnPlateau),
    ],
)  # fmt: skip
def test_schedules(mine, their):
    losses = np.random.default_rng(0).uniform(1, 2, 40) * np.linspace(2, 1, 40)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler, expected = their(optimizer), []
    for loss in losses:
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([loss] if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else []))
    np.testing.assert_allclose(rates_of(copy.deepcopy(mine), losses), expected, rtol=1e-12)
    assert len(set(expected)) > 1
