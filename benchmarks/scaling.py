"""What training costs against width, depth, batch and examples, what an optimizer costs alone, and memory at its peak.

    python benchmarks/scaling.py [--figure FILE] [--only width depth batch examples optimizers memory]

Each network is trained with MSE and SGD in float32 by one thread, three times, and the best counts. Beside the microseconds is
how fast they grow: the power between a row and the one before, and what theory says of large ones. Prints Markdown.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
import warnings
from itertools import pairwise

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from modnet import MSE, Linear, Sequential, Tanh, fit
from modnet.discovery import all_optimizers
from modnet.optim import SGD
from modnet.training import TrainingWarning

SECONDS = 0.15  # a run takes about so long


def network(*sizes):
    """Linear layers with tanh between them."""
    modules = [m for n, k in pairwise(sizes) for m in (Linear(n, k, rng=0), Tanh())]
    return Sequential(*modules[:-1]).astype("float32")


def seconds_an_epoch(net, examples, batch):
    """The best of three runs that take `SECONDS` or more."""
    rng = np.random.default_rng(0)
    sizes = net[0].weight.shape[0], net[-1].weight.shape[1]
    X, y = (rng.standard_normal((examples, n)).astype("float32") for n in sizes)
    optimizer, best, epochs = SGD(1e-4), np.inf, 1
    done = 0
    while done < 3:
        began = time.perf_counter()
        fit(net, X, y, loss=MSE(), optimizer=optimizer, epochs=epochs, batch_size=batch, rng=0, progress=False)
        taken = time.perf_counter() - began
        if taken < SECONDS:
            epochs = max(2 * epochs, int(epochs * SECONDS / max(taken, 1e-4)))
            continue
        best, done = min(best, taken / epochs), done + 1
    return best


def width(w):
    return seconds_an_epoch(network(w, w, w), 640, 64) / 10


def depth(d):
    return seconds_an_epoch(network(*[64] * (d + 1)), 640, 64) / 10


def batch(b):
    return seconds_an_epoch(network(64, 64, 64), 10 * b, b) / 10


def examples(n):
    return seconds_an_epoch(network(16, 16, 16), n, 32)


#: What grows, over which values, what is timed, and the power that theory says of large values.
CURVES = {
    "width": (width, (16, 32, 64, 128, 256, 512, 1024), "a step of w-w-w, 64 examples", 2),
    "depth": (depth, (1, 2, 4, 8, 16, 32), "a step of d layers of 64, 64 examples", 1),
    "batch": (batch, (4, 16, 64, 256, 1024, 4096), "a step of 64-64-64", 1),
    "examples": (examples, (320, 1280, 5120, 20480, 81920), "an epoch of 16-16-16 in batches of 32", 1),
}


def curve(name):
    """Time a curve and print it; return its values and microseconds."""
    timed, values, what, theory = CURVES[name]
    found = []
    print(f"\n<!-- {name} -->\n| {name} | us, {what} | power (theory {theory}) |\n|---|---|---|")
    for value in values:
        found.append(1e6 * timed(value))
        power = np.log(found[-1] / found[-2]) / np.log(value / values[len(found) - 2]) if len(found) > 1 else None
        print(f"| {value} | {found[-1]:.1f} | {'' if power is None else f'{power:.2f}'} |", flush=True)
    return values, found


def optimizers():
    """Nanoseconds a parameter of each optimizer's step alone, of vectors that fit the first cache, the second, and none."""
    sizes = {"4,096": 64, "65,536": 256, "4,194,304": 2048}
    print(f"\n<!-- optimizers -->\n| ns a parameter of | {' | '.join(sizes)} |\n|---|{'---|' * len(sizes)}")
    for kind in all_optimizers():
        if kind.needs_loss:
            continue
        row = []
        for side in sizes.values():
            net = Sequential(Linear(side, side, bias=False, rng=0)).astype("float32")
            optimizer = kind().attach(net) if kind is not SGD else SGD(1e-4).attach(net)
            net.gradient[:] = np.random.default_rng(0).standard_normal(net.gradient.size)
            optimizer.step()
            times, steps = [], max(3, int(2e7 / side**2) // 20)
            for _ in range(5):
                began = time.perf_counter()
                for _ in range(steps):
                    optimizer.step()
                times.append((time.perf_counter() - began) / steps)
            row.append(f"{1e9 * min(times) / side**2:.2f}")
        print(f"| {kind.__name__} | {' | '.join(row)} |", flush=True)


MEMORY = """
import sys
import numpy as np
from modnet import CrossEntropy, Linear, ReLU, Sequential, fit
from modnet.optim import Adam

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

def trained(n, sizes, batch):
    modules = [m for a, b in zip(sizes, sizes[1:]) for m in (Linear(a, b, rng=0), ReLU())]
    net = Sequential(*modules[:-1]).astype("float32")
    X, y = np.ones((n, sizes[0]), "float32"), np.arange(n) % sizes[-1]
    fit(net, X, y, loss=CrossEntropy(), optimizer=Adam(1e-4), epochs=2, batch_size=batch, rng=0, progress=False)
    return net, X

trained(64, (8, 8, 2), 32)
before = peak()
sizes, n, batch = eval(sys.argv[1])
net, X = trained(n, sizes, batch)
print(before, peak() - before, X.nbytes / 2**20, net.parameters.nbytes / 2**20, 4 * batch * 2 * 2 * sum(sizes) / 2**20)
"""


def memory():
    """Megabytes at the peak of a training, beyond those of the libraries, beside what the arrays in it add up to."""
    if not os.path.exists("/proc/self/status"):
        print("\nmemory is read from /proc, which is not here")
        return
    print("\n<!-- memory -->")
    print("| network, examples, batch | MB: imports + training | data | parameters | values, deltas |\n|---|---|---|---|---|")
    for case in (((2, 100, 2), 10000, 32), ((784, 512, 512, 10), 20000, 256), ((2048, 2048, 2048, 10), 2000, 256)):
        done = subprocess.run([sys.executable, "-c", MEMORY, repr(case)], capture_output=True, text=True, check=True)
        before, more, *parts = map(float, done.stdout.split())
        sizes, n, size = case
        cells = " | ".join(f"{part:.1f}" for part in parts)
        print(f"| {'-'.join(map(str, sizes))}, {n}, {size} | {before:.0f} + {more:.1f} | {cells} |", flush=True)


def draw(curves, file):
    """The curves, each with the power of theory through its last point."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(4 * len(curves), 3.5), layout="constrained", squeeze=False)
    for ax, (name, (values, found)) in zip(axes[0], curves.items()):
        theory = CURVES[name][3]
        ax.loglog(values, found, "o-", label="measured")
        ax.loglog(values, found[-1] * (np.array(values) / values[-1]) ** theory, "--", label=f"{name}^{theory}")
        ax.set(xlabel=name, ylabel="us", title=CURVES[name][2])
        ax.legend()
    figure.savefig(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", help="where to draw the curves")
    parts = [*CURVES, "optimizers", "memory"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    given = parser.parse_args()
    gc.disable()
    warnings.simplefilter("ignore", TrainingWarning)  # the targets are noise: there is nothing to learn
    curves = {name: curve(name) for name in CURVES if name in given.only}
    if "optimizers" in given.only:
        optimizers()
    if "memory" in given.only:
        memory()
    if given.figure and curves:
        draw(curves, given.figure)


if __name__ == "__main__":
    main()
