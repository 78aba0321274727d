"""Training steps of convolutional networks, one thread, float32: modnet, PyTorch and JAX by turns in one process.

    python benchmarks/convolution.py [rounds]

All train the same network from the same parameters on the same batches in the same order: the loss, which is printed beside the
times, is the same to seven digits after the first pass, and drifts apart by rounding in many. Each has Adam at its defaults
and the memory layout it is at home with.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import modnet
from modnet import Conv1D, Conv2D, CrossEntropy, Flatten, Linear, MaxPool1D, MaxPool2D, ReLU, Sequential

STEPS = 10  # batches in an epoch
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")} | {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"
}


@dataclass
class Workload:
    """A network to train, as modnet writes it, and the shape of a batch of its input."""

    build: Callable[[], Sequential]
    shape: tuple[int, ...]
    classes: int = 10

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        n = STEPS * self.shape[0]
        return rng.normal(size=(n, *self.shape[1:])).astype("float32"), rng.integers(0, self.classes, n)


@dataclass
class Contestant:
    """One library with one network: `run` makes some training steps, `mean_loss` is the mean loss over the data."""

    run: Callable[[], None]
    steps: int
    mean_loss: Callable[[], float]


WORKLOADS = {
    "reference network, 32 x 256": Workload(
        lambda: Sequential(
            Conv1D(3, 1, 32, rng=0), MaxPool1D(2, 2), Flatten(),
            Linear(4064, 100, rng=1), ReLU(), Linear(100, 10, rng=2),
        ),
        (32, 256, 1),
    ),
    "LeNet-5, 64 x 28 x 28": Workload(
        lambda: Sequential(
            Conv2D(5, 1, 6, padding=2, rng=0), ReLU(), MaxPool2D(2),
            Conv2D(5, 6, 16, rng=1), ReLU(), MaxPool2D(2), Flatten(),
            Linear(400, 120, rng=2), ReLU(), Linear(120, 84, rng=3), ReLU(), Linear(84, 10, rng=4),
        ),
        (64, 28, 28, 1),
    ),
}  # fmt: skip


def modnet_fit(work: Workload) -> Contestant:
    X, y = work.data()
    net, loss, adam = work.build().astype("float32"), CrossEntropy(), modnet.optim.Adam()

    def run() -> None:
        modnet.fit(net, X, y, loss=loss, optimizer=adam, epochs=1, batch_size=work.shape[0], shuffle=False, progress=False)

    return Contestant(run, STEPS, lambda: loss(y, net.forward(X)))


def modnet_by_hand(work: Workload) -> Contestant:
    X, y = work.data()
    net, loss, adam = work.build().astype("float32"), CrossEntropy(), modnet.optim.Adam()
    adam.attach(net)
    batch = work.shape[0]

    def run() -> None:
        for at in range(0, len(X), batch):
            x, t = X[at : at + batch], y[at : at + batch]
            net.zero_grad()
            delta = loss.backward(t, net.forward(x)) / batch
            net.backward_update_gradient(x, delta)
            adam.step()

    return Contestant(run, STEPS, lambda: loss(y, net.forward(X)))


def pytorch(work: Workload) -> Contestant:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    X, y = work.data()
    source, layers, shape = work.build(), [], work.shape[1:]
    flat_from: tuple[int, ...] | None = None  # what Flatten has flattened, where channels come last
    for module in source:
        if isinstance(module, Conv1D | Conv2D):
            kind = nn.Conv1d if isinstance(module, Conv1D) else nn.Conv2d
            layer = kind(module.in_features, module.out_features, module.k_size, module.stride, module.padding)
            axes = module.weight.ndim
            weight = module.weight.transpose(axes - 1, axes - 2, *range(axes - 2))
        elif isinstance(module, MaxPool1D | MaxPool2D):
            layer = (nn.MaxPool1d if isinstance(module, MaxPool1D) else nn.MaxPool2d)(module.k_size, module.stride)
        elif isinstance(module, Linear):
            layer = nn.Linear(module.in_features, module.out_features)
            weight = module.weight.T
            if flat_from is not None:  # PyTorch flattens with the channels first
                weight = np.moveaxis(weight.reshape(-1, *flat_from), -1, 1).reshape(weight.shape)
                flat_from = None
        else:
            layer = {ReLU: nn.ReLU, Flatten: nn.Flatten}[type(module)]()
            flat_from = shape if isinstance(module, Flatten) else flat_from
        if hasattr(layer, "weight"):
            layer.weight.data = torch.tensor(weight.astype("float32").copy())
            layer.bias.data = torch.tensor(module.bias.astype("float32"))
        layers.append(layer)
        shape = module.output_shape(shape)
    net, loss = nn.Sequential(*layers), nn.CrossEntropyLoss()
    adam = torch.optim.Adam(net.parameters())
    images, labels = torch.tensor(np.moveaxis(X, -1, 1).copy()), torch.tensor(y)
    batch = work.shape[0]

    def run() -> None:
        for at in range(0, len(X), batch):
            adam.zero_grad()
            loss(net(images[at : at + batch]), labels[at : at + batch]).backward()
            adam.step()

    def mean_loss() -> float:
        with torch.no_grad():
            return float(loss(net(images), labels))

    return Contestant(run, STEPS, mean_loss)


def jax(work: Workload) -> Contestant:
    import jax
    import jax.numpy as jnp
    from jax import lax

    X, y = work.data()
    source = work.build().astype("float32")
    parameters = [[jnp.array(value) for value in module.named_parameters().values()] for module in source]

    def apply(parameters, x):
        for module, own in zip(source, parameters):
            if isinstance(module, Conv1D | Conv2D):
                names = ("NWC", "WIO", "NWC") if isinstance(module, Conv1D) else ("NHWC", "HWIO", "NHWC")
                _, strides, pads = module.window
                axes = module.axes
                x = lax.conv_general_dilated(
                    x, own[0], strides[:axes], [(p, p) for p in pads[:axes]], dimension_numbers=names
                ) + own[1]
            elif isinstance(module, MaxPool1D | MaxPool2D):
                size, strides, _ = module.window
                axes = module.axes
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, *size[:axes], 1), (1, *strides[:axes], 1), "VALID")
            elif isinstance(module, Linear):
                x = x @ own[0] + own[1]
            elif isinstance(module, ReLU):
                x = jnp.maximum(x, 0)
            else:
                x = x.reshape(len(x), -1)
        return x

    def mean_loss(parameters, x, t):
        scores = jax.nn.log_softmax(apply(parameters, x))
        return -scores[jnp.arange(len(t)), t].mean()

    def step(state, x, t):
        parameters, m, v, count = state
        slope = jax.grad(mean_loss)(parameters, x, t)
        count = count + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, slope)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, slope)
        rate, root = 1e-3 / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8), parameters, m, v)
        return parameters, m, v, count

    compiled = jax.jit(step, donate_argnums=0)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [(parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.float32(0))]
    batch = work.shape[0]
    batches = [(jnp.array(X[at : at + batch]), jnp.array(y[at : at + batch])) for at in range(0, len(X), batch)]

    def run() -> None:
        for x, t in batches:
            state[0] = compiled(state[0], x, t)
        jax.block_until_ready(state[0])

    return Contestant(run, STEPS, lambda: float(mean_loss(state[0][0], jnp.array(X), jnp.array(y))))


def contestants() -> dict[str, dict[str, Callable[[], Contestant]]]:
    """For every workload, the libraries that are installed: what makes each contestant."""
    found: dict[str, Callable[[Workload], Contestant]] = {"modnet fit": modnet_fit, "modnet by hand": modnet_by_hand}
    for name, make in (("torch", pytorch), ("jax", jax)):
        try:
            __import__(name)
        except ImportError:
            continue
        found[{"torch": "PyTorch", "jax": "JAX"}[name]] = make
    return {
        title: {name: (lambda make=make, work=work: make(work)) for name, make in found.items()}
        for title, work in WORKLOADS.items()
    }


def compare(makers: dict[str, Callable[[], Contestant]], rounds: int) -> dict[str, tuple[float, float, float]]:
    """Best and median seconds a step over rounds taken by turns, and the loss after them."""
    running = {name: make() for name, make in makers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds + 1):
        for name, one in running.items():
            start = time.perf_counter()
            one.run()
            seconds[name].append((time.perf_counter() - start) / one.steps)
    # The first round compiles.
    return {name: (min(s[1:]), statistics.median(s[1:]), running[name].mean_loss()) for name, s in seconds.items()}


def main() -> None:
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):  # read when a library is loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for title, makers in contestants().items():
        print(f"{title}: ms a training step")
        for name, (best, median, mean_loss) in compare(makers, rounds).items():
            print(f"  {name:16s} best {1e3 * best:6.3f}  median {1e3 * median:6.3f}  loss after {mean_loss:.4f}")


if __name__ == "__main__":
    main()
