"""Every module and loss of the library, said with PyTorch's functions: what the tests here compare with.

`output` computes what a module computes, with autograd behind it. Weights are copied by `copied`; arrays stay channels last
outside, and are turned for PyTorch's convolutions and pooling inside, where autograd turns the gradients back.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from modnet import losses as ours
from modnet import modules as m

# Modules


def copied(module):
    """PyTorch's copies of the parameters and buffers in a module: {one of our modules: {name: tensor}}.

    A module that is used twice has one copy, so that the gradients of both uses add up, as ours do.
    """
    found = {}
    for leaf in dict.fromkeys([*module.leaves(), *getattr(module, "shares_parameters_of", ())]):
        found[leaf] = {name: nn.Parameter(torch.tensor(view)) for name, view in leaf.named_parameters().items()}
        for name in ("running_mean", "running_var"):
            if hasattr(leaf, name):
                found[leaf][name] = torch.tensor(getattr(leaf, name))
    return found


def trained(copies):
    """The tensors that an optimizer moves."""
    return [t for named in copies.values() for t in named.values() if isinstance(t, nn.Parameter)]


def output(module, x, copies):
    """What PyTorch gives for the input of a module."""
    return MODULES[type(module)](module, x, copies)


def channels_first(f, x):
    """f of x with its channels as the second axis."""
    return f(x.movedim(-1, 1)).movedim(1, -1)


def chain(module, x, copies):
    for each in module:
        x = output(each, x, copies)
    return x


def convolution(f, axes):
    """(k, in, out) is (out, in, k) in PyTorch, and (k, out, in) of a transposed one (in, out, k)."""
    order = (axes + 1, axes, *range(axes))

    def convolved(module, x, copies):
        own = copies[module]
        weight = own["weight"].permute(order).contiguous()  # else autograd of a transposed one fails
        return channels_first(lambda z: f(z, weight, own.get("bias"), module.stride, module.padding), x)

    return convolved


def pooling(f, value):
    """PyTorch refuses a padding of more than half of the window: then x is padded before, with the value."""

    def pooled(module, x, copies):
        sizes, _, padding = module.window
        if all(2 * p <= k for k, p in zip(sizes, padding)):
            return channels_first(lambda z: f(z, module.k_size, module.stride, module.padding), x)
        around = [p for p in reversed(padding[: module.axes]) for _ in range(2)]  # F.pad begins with the last axis
        return channels_first(lambda z: f(F.pad(z, around, value=value), module.k_size, module.stride), x)

    return pooled


def global_pooling(f):
    """Not amax, which shares the delta among equal maxima: pooling sends it to the first, as ours."""
    return lambda module, x, copies: channels_first(lambda z: f(z.flatten(2), 1), x).flatten(1)


def batch_norm(module, x, copies):
    own = copies[module]
    out = F.batch_norm(
        x.reshape(-1, x.shape[-1]), own["running_mean"], own["running_var"], own["weight"], own["bias"],
        module.training, module.momentum, module.eps,
    )  # fmt: skip
    return out.reshape(x.shape)


def layer_norm(module, x, copies):
    own = copies[module]
    return F.layer_norm(x, x.shape[-1:], own["weight"], own["bias"], module.eps)


def drawn(module, x):
    """The module's output for x with the draw of its last forward."""
    twin = copy.deepcopy(module)
    twin.storage.draws[0] = twin.storage.draws[1] - 1  # the next draw is the last one again
    return torch.tensor(twin.forward(x.detach().numpy()))


def dropout(module, x, copies):
    """With our mask, since PyTorch draws others, and the factor that PyTorch gives to what is kept."""
    if not module.training:
        return F.dropout(x, module.p, training=False)
    factor = F.dropout(torch.ones(1000, dtype=x.dtype), module.p).max()
    return torch.where(drawn(module, torch.ones_like(x)) == 0, 0.0, x * factor)


def gaussian_noise(module, x, copies):
    """PyTorch has none: our noise, as it is drawn for zeros, added to x."""
    return x + drawn(module, torch.zeros_like(x))


def linear(module, x, copies):
    own = copies[module]
    return F.linear(x, own["weight"].T, own.get("bias"))


def elementwise(f):
    return lambda module, x, copies: f(module, x)


MODULES = {
    m.Tanh: elementwise(lambda _, x: torch.tanh(x)),
    m.Sigmoid: elementwise(lambda _, x: torch.sigmoid(x)),
    m.ReLU: elementwise(lambda _, x: F.relu(x)),
    m.LeakyReLU: elementwise(lambda a, x: F.leaky_relu(x, a.slope)),
    m.ELU: elementwise(lambda a, x: F.elu(x, a.alpha)),
    m.SELU: elementwise(lambda _, x: F.selu(x)),
    m.GELU: elementwise(lambda _, x: F.gelu(x)),
    m.SiLU: elementwise(lambda _, x: F.silu(x)),
    # From where on it may take x itself: at PyTorch's own 20 this leaves out 2e-9, which ours does not; at 40 nothing.
    m.Softplus: elementwise(lambda a, x: F.softplus(x, a.beta, threshold=40)),
    m.Softsign: elementwise(lambda _, x: F.softsign(x)),
    m.Mish: elementwise(lambda _, x: F.mish(x)),
    m.Threshold: elementwise(lambda a, x: F.threshold(x, a.threshold, a.value)),
    m.Ramp: elementwise(lambda a, x: F.hardtanh(x, a.low, a.high)),
    m.Radial: elementwise(lambda _, x: torch.exp(-x * x)),
    m.Identity: elementwise(lambda _, x: x),
    m.PReLU: lambda a, x, copies: F.prelu(x, copies[a]["weight"]),
    m.Softmax: elementwise(lambda _, x: F.softmax(x, -1)),
    m.LogSoftmax: elementwise(lambda _, x: F.log_softmax(x, -1)),
    m.Linear: linear,
    m.RidgeLinear: linear,  # alpha is 0 in its examples: PyTorch has no penalty in a layer
    m.Conv1D: convolution(F.conv1d, 1),
    m.Conv2D: convolution(F.conv2d, 2),
    m.ConvTranspose1D: convolution(F.conv_transpose1d, 1),
    m.ConvTranspose2D: convolution(F.conv_transpose2d, 2),
    m.MaxPool1D: pooling(F.max_pool1d, -torch.inf),
    m.MaxPool2D: pooling(F.max_pool2d, -torch.inf),
    m.AvgPool1D: pooling(F.avg_pool1d, 0.0),
    m.AvgPool2D: pooling(F.avg_pool2d, 0.0),
    m.GlobalAvgPool: global_pooling(F.adaptive_avg_pool1d),
    m.GlobalMaxPool: global_pooling(F.adaptive_max_pool1d),
    m.BatchNorm: batch_norm,
    m.LayerNorm: layer_norm,
    m.Dropout: dropout,
    m.GaussianNoise: gaussian_noise,
    m.Embedding: lambda e, x, copies: F.embedding(x.long(), copies[e]["weight"]),
    m.Flatten: elementwise(lambda _, x: x.flatten(1)),
    m.Reshape: elementwise(lambda r, x: x.reshape(len(x), *r.shape)),
    m.Transpose: elementwise(
        lambda t, x: x.permute(0, *(1 + axis for axis in t.axes or reversed(range(x.ndim - 1))))
    ),
    m.Sequential: chain,
    m.Residual: lambda r, x, copies: x + chain(r, x, copies),
    m.Concat: lambda c, x, copies: torch.cat([output(branch, x, copies) for branch in c], -1),
    m.Tied: lambda t, x, copies: F.linear(x, copies[t.linear]["weight"], copies[t]["bias"]),
}  # fmt: skip
#: Modules that cannot even be said with PyTorch's functions, with the reason.
WITHOUT_MODULES: dict[type, str] = {}

# Losses of each example, as ours are: a mean over all numbers is only PyTorch's default.


def costs(loss, y, yhat):
    """What PyTorch gives for a loss: (batch,)."""
    return LOSSES[type(loss)](loss, y, yhat)


def rows(f):
    """The cost of each example from a function of all numbers."""
    return lambda loss, y, yhat: torch.stack([f(loss, a, b) for a, b in zip(y, yhat)])


def over_classes(f):
    """The same where the last axis of yhat is classes and y labels or rows."""

    def cost(loss, y, yhat):
        classes = yhat.shape[-1]
        truth = y.reshape(len(y), -1).long() if y.ndim < yhat.ndim else y.reshape(len(y), -1, classes)
        return torch.stack([f(loss, a, b) for a, b in zip(truth, yhat.reshape(len(y), -1, classes))])

    return cost


def ignored(loss):
    """The label that a loss leaves out; PyTorch's default is one that no example has."""
    return {} if loss.ignore_index is None else {"ignore_index": loss.ignore_index}


def nll(loss, y, yhat):
    """PyTorch's takes labels only."""
    return F.nll_loss(yhat, y, reduction="sum", **ignored(loss)) if y.ndim == 1 else -(y * yhat).sum()


def multi_margin(loss, y, yhat):
    """PyTorch's takes labels only, and divides by the number of classes."""
    labels = y if y.ndim == 1 else y.argmax(1)
    return yhat.shape[1] * F.multi_margin_loss(yhat, labels, margin=loss.margin, reduction="sum")


LOSSES = {
    ours.MSE: rows(lambda _, y, p: F.mse_loss(p, y, reduction="sum")),
    ours.MAE: rows(lambda _, y, p: F.l1_loss(p, y, reduction="sum")),
    ours.Huber: rows(lambda loss, y, p: F.huber_loss(p, y, reduction="sum", delta=loss.delta)),
    ours.BCE: rows(lambda _, y, p: F.binary_cross_entropy(p, y, reduction="sum")),
    ours.BCEWithLogits: rows(lambda _, y, z: F.binary_cross_entropy_with_logits(z, y, reduction="sum")),
    ours.KLDivergence: rows(lambda _, y, p: F.kl_div(p.log(), y, reduction="sum")),
    ours.NLL: over_classes(nll),
    ours.CrossEntropy: over_classes(
        lambda loss, y, z: F.cross_entropy(z, y, reduction="sum", label_smoothing=loss.label_smoothing, **ignored(loss))
    ),
    ours.MultiMargin: over_classes(multi_margin),
    # PyTorch has neither: its hinge_embedding_loss is one of distances.
    ours.Hinge: rows(lambda _, y, s: F.relu(1 - y * s).sum()),
    ours.Perceptron: rows(lambda _, y, s: F.relu(-y * s).sum()),
    # PyTorch's leaves out what does not depend on the prediction, or takes Stirling's formula for it.
    ours.Poisson: rows(lambda _, y, a: F.poisson_nll_loss(a, y, reduction="sum") + (torch.xlogy(y, y) - y).sum()),
}
#: Losses that cannot even be said with PyTorch's functions, with the reason.
WITHOUT_LOSSES: dict[type, str] = {}

# Comparing


# Numbers near 1 are rounded by 1e-16, and where a function saturates that is all there is of its derivative.
ROUNDING = 1e-15


def assert_close(mine, their, what, tolerance=1e-9):
    """Equal to so much of the largest value, and of the same shape and type."""
    their = their.detach().numpy()
    assert mine.shape == their.shape, f"{what}: {mine.shape} where PyTorch has {their.shape}"
    assert mine.dtype == their.dtype, f"{what}: {mine.dtype} where PyTorch has {their.dtype}"
    largest = abs(their).max()
    worst = abs(mine - their).max()
    assert worst <= tolerance * largest + ROUNDING, f"{what}: {worst:.2g} apart, where the largest is {largest:.2g}"
