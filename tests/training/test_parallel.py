"""Several ranks train as one process does with their batches together, and end together when one fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import DictLinear, message

import modnet
from modnet import MSE, Linear, Sequential, fit
from modnet.optim import Adam

MPIEXEC = shutil.which("mpiexec") or str(Path(sys.executable).with_name("mpiexec"))

needs_mpi = pytest.mark.skipif(not os.path.exists(MPIEXEC), reason="there is no mpiexec: pip install modnet[mpi]")

SCRIPT = """
import os, sys
import numpy as np
from mpi4py import MPI
from modnet import *
from modnet.optim import *

comm = MPI.COMM_WORLD
rank, ranks = comm.rank, comm.size
rng = np.random.default_rng(0)
X, Y, T = rng.normal(size=(45, 4)), rng.normal(size=(45, 2)), rng.integers(0, 3, (45, 2))
W = np.linspace(0, 2, 45)

def net(seed=0):
    return Sequential(Linear(4, 6, rng=seed), Tanh(), LayerNorm(6), Linear(6, 2, rng=seed + 1))

def tagger(seed=0):
    return Sequential(Linear(4, 6, rng=seed), Reshape(2, 3))

cases = [
    (net, Y, MSE(), lambda: Adam(0.05), {}),
    (net, Y, MSE(), lambda: SGD(0.05, momentum=0.9, clip_norm=0.5), {"sample_weight": W, "validation": 0.2, "metrics": ["r2"]}),
    (net, Y, MSE(), lambda: RMSprop(StepDecay(0.01, every=1)), {"validation": (X[:7], Y[:7]), "patience": 1, "shuffle": False}),
    (tagger, np.where(W[:, None] > 1, T, -1), CrossEntropy(ignore_index=-1), lambda: Adam(0.05), {}),
    (tagger, T, CrossEntropy(), lambda: Adam(0.05), {"sample_weight": np.outer(W, [1.0, 0.0])}),
]
for k, (make, y, loss, optimizer, options) in enumerate(cases):
    mine, alone = make(100 * rank), make(0)
    found = fit(mine, X, y, loss, optimizer(), epochs=4, batch_size=5, rng=rank, comm=comm, **options)
    want = fit(alone, X, y, loss, optimizer(), epochs=4, batch_size=5 * ranks, rng=0, progress=False, **options)
    gap = np.abs(mine.parameters - alone.parameters).max()
    assert gap < 1e-10, (k, gap)
    for name, values in want.columns().items():
        np.testing.assert_allclose(found.columns()[name], values, rtol=1e-9)
    everybody = comm.allgather(mine.parameters.tobytes())
    assert len(set(everybody)) == 1, k

# Statistics are averaged, and masks drawn, alike on all ranks.
noisy = Sequential(Linear(4, 6, rng=rank), BatchNorm(6), Dropout(0.3, rng=rank), Linear(6, 2, rng=rank))
fit(noisy, X, Y, MSE(), Adam(0.05), epochs=3, batch_size=5, comm=comm)
assert len(set(comm.allgather(b"".join(a.tobytes() for a in noisy.state_dict().values())))) == 1

# A checkpoint is written once, and read by all.
path = sys.argv[1]
for epochs in (2, 4):
    kept = net(rank)
    fit(kept, X, Y, MSE(), Adam(0.05), epochs=epochs, batch_size=5, rng=1, comm=comm, checkpoint=path, resume=True)
whole = net(0)
fit(whole, X, Y, MSE(), Adam(0.05), epochs=4, batch_size=5, rng=1, comm=comm)
np.testing.assert_array_equal(kept.parameters, whole.parameters)

# What goes wrong on one rank ends all.
def ends(error, said, **options):
    try:
        fit(net(), X, Y, MSE(), Adam(), **{"epochs": 3, "comm": comm, "batch_size": 5, **options})
    except Exception as raised:
        assert type(raised) is (error if rank == 1 else RuntimeError), repr(raised)
        assert (said if rank == 1 else "rank") in str(raised), repr(raised)
    else:
        raise AssertionError(f"nobody said {said}")

def at(epoch, batch=False):
    class Failing(Callback):
        def on_epoch_end(self, training):
            if rank == 1 and training.epoch == epoch and not batch:
                raise ZeroDivisionError("of this rank")

        def on_batch_end(self, training):
            if rank == 1 and training.step == epoch and batch:
                raise ZeroDivisionError("of this rank")

        def on_fit_end(self, training):
            if rank == 1 and epoch == 0:
                raise ZeroDivisionError("of this rank")

    return Failing()

for watcher in (at(1), at(2), at(3), at(0), at(2, batch=True)):
    ends(ZeroDivisionError, "of this rank", callbacks=[watcher])
try:
    fit(net(), X, Y[:3] if rank == 1 else Y, MSE(), Adam(), comm=comm)
except (ValueError, RuntimeError) as raised:
    assert ("X has 45 examples but y has 3" in str(raised)), raised
    assert type(raised) is (ValueError if rank == 1 else RuntimeError)
try:
    fit(Linear(4, 2, bias=rank == 0), X, Y, MSE(), Adam(), comm=comm)
except ValueError as raised:
    assert "the ranks have networks of" in str(raised)
def drift(training):
    training.net.parameters[0] += rank
try:
    fit(net(), X, Y, MSE(), Adam(), epochs=3, comm=comm, callbacks=[drift])
except RuntimeError as raised:
    assert "the ranks' parameters differ" in str(raised), raised
else:
    raise AssertionError("nobody saw that the copies differ")
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    history = fit(Linear(4, 2, rng=0), X, Y, MSE(), SGD(1e200), epochs=3, comm=comm)
assert "diverged" in history.stopped_because, history
assert [str(w.message)[:13] for w in told] == ["fit: diverged"], [str(w.message) for w in told]
import contextlib, io
shown = io.StringIO()
with contextlib.redirect_stderr(shown):
    fit(net(), X, Y, MSE(), Adam(), epochs=2, comm=comm, progress=True)
assert bool(shown.getvalue()) == (rank == 0), shown.getvalue()
print("well", flush=True)
if len(sys.argv) > 2:
    fit(net(), X, Y, MSE(), Adam(), epochs=100000, comm=comm, callbacks=[lambda t: os._exit(3) if rank == 1 and t.epoch == 5 else None])
"""


def run(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(modnet.__file__).parent.parent)}
    return subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, "-c", SCRIPT, *arguments], env=environment, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.slow
@needs_mpi
def test_two_ranks_train_as_one_and_end_together(tmp_path):
    pytest.importorskip("mpi4py")
    done = run(str(tmp_path / "c"), "and then a rank dies")
    assert done.stdout.count("well") == 2, done.stderr
    assert done.returncode != 0  # the one that died took the other along
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


class Alone:
    """A communicator of one process."""

    def Get_rank(self):
        return 0

    def Get_size(self):
        return 1

    def allgather(self, value):
        return [value]

    Allreduce = None


def test_what_cannot_be_shared_is_refused():
    X, y = np.ones((4, 2)), np.ones((4, 1))
    text = message(TypeError, fit, Linear(2, 1), X, y, MSE(), Adam(), comm=3)
    assert text == "fit: comm is 3, expected a communicator of mpi4py, such as MPI.COMM_WORLD"
    alone = Alone()
    alone.Allreduce = print
    net = Sequential(Linear(2, 2), DictLinear(2, 1, 0))
    assert message(ValueError, fit, net, X, y, MSE(), Adam(), comm=alone) == (
        "fit: comm needs a network of the library's modules: it cannot see the numbers of your own classes"
    )
