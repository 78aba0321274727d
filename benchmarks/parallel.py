"""When training on several processes pays: `mpiexec -n 2 python benchmarks/parallel.py`.

For networks and batches of growing size: the time of a step of one process that takes all examples, the time of a step of all
ranks that share them, and the time of the all-reduce alone. For each network: what a step of one rank takes longer with `comm`
than without, which is what taking part costs beside the all-reduce. Each is the best of several rounds; one thread a rank.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"

import time  # noqa: E402
from itertools import pairwise  # noqa: E402

import numpy as np  # noqa: E402
from mpi4py import MPI  # noqa: E402

from modnet import CrossEntropy, Linear, ReLU, Sequential, fit  # noqa: E402
from modnet.optim import SGD  # noqa: E402

NETWORKS = [(64, 100, 10), (784, 256, 10), (784, 1000, 1000, 10)]
BATCHES = [32, 256, 1024]
ROUNDS, STEPS = 4, 8


def network(sizes):
    layers = [part for i, (a, b) in enumerate(pairwise(sizes)) for part in (Linear(a, b, rng=i), ReLU())]
    return Sequential(*layers[:-1]).astype("float32")


def seconds_a_step(sizes, batch, comm):
    """Of a step that takes `batch` examples on each rank of comm; the best of the rounds."""
    rng = np.random.default_rng(0)
    n = batch * STEPS * (comm.size if comm else 1)
    X, y = rng.normal(size=(n, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], n)
    net, optimizer, best = network(sizes), SGD(0.01), np.inf
    for _ in range(ROUNDS):
        if comm:
            comm.Barrier()
        begun = time.perf_counter()
        fit(net, X, y, CrossEntropy(), optimizer, epochs=1, batch_size=batch, rng=0, progress=False, comm=comm)
        best = min(best, (time.perf_counter() - begun) / STEPS)
    return best


def seconds_an_exchange(numbers, comm):
    buffer, best = np.ones(numbers), np.inf
    for _ in range(30):
        comm.Barrier()
        begun = time.perf_counter()
        comm.Allreduce(MPI.IN_PLACE, buffer)
        best = min(best, time.perf_counter() - begun)
    return best


def main():
    comm = MPI.COMM_WORLD
    say = print if comm.rank == 0 else lambda *_, **__: None
    say(f"{comm.size} ranks; ms a step of {comm.size} x batch examples")
    say(f"{'network':<22}{'parameters':>11}{'batch':>7}{'one process':>13}{'all ranks':>11}{'all-reduce':>12}{'gain':>7}")
    for sizes in NETWORKS:
        numbers = network(sizes).parameters.size
        exchange = seconds_an_exchange(numbers, comm)
        for batch in BATCHES:
            alone = seconds_a_step(sizes, batch * comm.size, None) if comm.rank == 0 else 0.0
            comm.Barrier()
            together = seconds_a_step(sizes, batch, comm)
            name = "-".join(map(str, sizes))
            say(f"{name:<22}{numbers:>11}{batch:>7}{1e3 * alone:>13.3f}{1e3 * together:>11.3f}{1e3 * exchange:>12.3f}"
                f"{alone / together:>7.2f}", flush=True)  # fmt: skip
        if comm.rank == 0:
            beside = seconds_a_step(sizes, BATCHES[0], MPI.COMM_SELF) - seconds_a_step(sizes, BATCHES[0], None)
            say(f"{name:<22}{numbers:>11}: one rank takes {1e3 * beside:.3f} ms longer with comm, "
                f"{1e9 * beside / numbers:.1f} ns a parameter", flush=True)  # fmt: skip
        comm.Barrier()


if __name__ == "__main__":
    main()
