"""A training that was interrupted and resumed from its file ends as one that was not, to the bit.

Found by discovery: every optimizer, every schedule, every module of the library, on both paths.
"""

import os
import signal
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import DictLinear, example_input, message

import modnet
from modnet import ELU, MAE, MSE, BatchNorm, CrossEntropy, Dropout, GaussianNoise, Linear, ReLU, Sequential, Tanh, fit
from modnet.discovery import all_modules, all_optimizers
from modnet.optim import SGD, Adam, RandomSearch, Schedule, StepDecay, schedules
from modnet.persistence import FileError, archive

RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 3))
Y = np.sin(X[:, :1]) + X[:, 1:2]


def network(seed=0):
    """It keeps statistics and draws masks; another seed gives another network of the same form."""
    return Sequential(
        Linear(3, 5, rng=seed), BatchNorm(5), Dropout(0.2, rng=seed), Tanh(), Linear(5, 4, rng=1 + seed), Tanh(),
        GaussianNoise(0.1, rng=seed), Linear(4, 1, rng=2 + seed),
    )  # fmt: skip


def resumed(path, at, total, make_net, make_optimizer, x=X, y=Y, loss=None, **options):
    """Histories and networks, with optimizers: of a training from end to end, and of one that was stopped and resumed elsewhere."""
    loss = MSE() if loss is None else loss
    options = {"rng": 3, "batch_size": 4, "progress": False, **options}
    ends = []
    for stops in ((total,), (*at, total)):
        for stop in stops:
            net, optimizer = make_net(0 if len(ends) == 0 or stop == stops[0] else 50), make_optimizer()
            if len(stops) > 1:  # in another process everything is made anew, and what is drawn is drawn from elsewhere
                options.update(checkpoint=path, resume=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", modnet.TrainingWarning)
                history = fit(net, x, y, loss, optimizer, epochs=stop, **options)
            options["rng"] = None if len(stops) > 1 else 3
        ends.append((history, net, optimizer))
    return ends


def assert_equal_ends(ends):
    (whole, net, optimizer), (parts, twin, other) = ends
    assert whole.epochs > 0
    assert parts.to_dict() == whole.to_dict()
    np.testing.assert_equal(twin.state_dict(), net.state_dict())
    np.testing.assert_equal(other.state_dict(), optimizer.state_dict())
    assert [m.draws for m in twin.leaves() if hasattr(m, "counts")] == [m.draws for m in net.leaves() if hasattr(m, "counts")]


EXAMPLES = [pytest.param(k, i, id=f"{k.__name__}-{i}") for k in all_optimizers() for i in range(len(k.examples()))]


@pytest.mark.parametrize(("kind", "index"), EXAMPLES)
def test_every_optimizer_goes_on(kind, index, tmp_path, path):
    assert_equal_ends(
        resumed(tmp_path / "c", (1, 2), 4, network, lambda: kind.examples()[index], callbacks=path, validation=0.2, patience=9)
    )


class Inverse(Schedule):
    """A schedule of one's own."""

    def at(self, t):
        return self.lr / (1 + t)


MADE = {
    "StepDecay": lambda: schedules.StepDecay(0.05, every=2, factor=0.5),
    "ExponentialDecay": lambda: schedules.ExponentialDecay(0.05, factor=0.7),
    "CosineDecay": lambda: schedules.CosineDecay(0.05, over=13, per="step"),
    "Warmup": lambda: schedules.Warmup(9, then=schedules.ReduceOnPlateau(0.05, 0.5, patience=0, threshold=0.5)),
    "ReduceOnPlateau": lambda: schedules.ReduceOnPlateau(0.05, factor=0.5, patience=0, threshold=0.5),
    "Inverse": lambda: Inverse(0.05),
}


def test_every_schedule_is_tried():
    assert set(schedules.__all__) - {"Schedule"} <= set(MADE)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("kind", [Adam, SGD, partial(RandomSearch, rng=1)], ids=["Adam", "SGD", "RandomSearch"])
def test_every_schedule_goes_on(kind, name, tmp_path):
    assert_equal_ends(resumed(tmp_path / "c", (2,), 5, network, lambda: kind(MADE[name]())))


MODULES = [
    pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in all_modules() for i, (module, _) in enumerate(kind.examples())
    if module.parameters.size and not getattr(module, "shares_parameters_of", ())
]  # fmt: skip


@pytest.mark.parametrize(("kind", "index"), MODULES)
def test_every_module_goes_on(kind, index, tmp_path):
    module, shape = kind.examples()[index]
    x = example_input(module, (8, *shape[1:]), np.random.default_rng(0))
    y = np.zeros(module.forward(x).shape)
    assert_equal_ends(resumed(tmp_path / "c", (1,), 3, lambda _: kind.examples()[index][0], lambda: Adam(0.01), x, y))


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": False}, {"batch_size": None}, {"batch_size": 1000}, {"validation": 0.3},
        {"validation": 0.3, "patience": 1}, {"validation": (X[:5], Y[:5])}, {"sample_weight": np.linspace(0, 1, 22)},
        {"augment": lambda x, y, rng: (x + rng.normal(size=x.shape), y)}, {"metrics": ["mae"]},
    ],
    ids=lambda options: "-".join(options),
)  # fmt: skip
def test_every_way_to_train_goes_on(options, tmp_path, path):
    def net(seed):
        return Sequential(Linear(3, 5, rng=seed), Tanh(), Dropout(0.2, rng=seed), Linear(5, 1, rng=seed))

    assert_equal_ends(resumed(tmp_path / "c", (2, 3), 6, net, lambda: Adam(0.3), callbacks=path, **options))


def test_a_callback_that_draws_changes_nothing_for_the_resumed(tmp_path, path):
    """Its forwards in training are numbered on from those of the training, which has a count of its own."""
    ends = resumed(
        tmp_path / "c", (2,), 4, network, lambda: Adam(0.05), callbacks=[*path, lambda training: training.net.forward(X)]
    )
    assert_equal_ends(ends)
    # Nothing is left to train: the numbers are those of the file.
    again = network(7)
    fit(again, X, Y, MSE(), Adam(0.05), epochs=4, batch_size=4, progress=False, checkpoint=tmp_path / "c", resume=True)
    assert [m.draws for m in again.leaves()] == [m.draws for m in ends[1][1].leaves()]


def test_rates_of_single_modules_and_a_students_class_go_on(tmp_path):
    def net(seed):
        return Sequential(Linear(3, 4, rng=seed), DictLinear(4, 4, seed), Tanh(), BatchNorm(4), Linear(4, 1, rng=seed))

    assert_equal_ends(resumed(tmp_path / "c", (2,), 4, net, lambda: Adam(0.05)))


class Centred:
    """A student's layer that keeps statistics and draws in attributes of its own."""

    training = True

    def __init__(self, features):
        self.features, self.mean, self.rng = features, None, np.random.default_rng(0)

    def forward(self, X):
        if self.training:
            mean = X.mean(axis=0) + self.rng.normal(scale=0.01, size=self.features)
            self.mean = mean if self.mean is None else 0.9 * self.mean + 0.1 * mean
        return X if self.mean is None else X - self.mean

    def backward_delta(self, input, delta):
        return delta


@pytest.mark.parametrize("options", [{}, {"validation": 0.3, "patience": 1}], ids=["all", "best"])
def test_a_students_own_statistics_and_draws_go_on(options, tmp_path):
    def net(seed):
        return Sequential(Linear(3, 4, rng=seed), Centred(4), Linear(4, 1, rng=seed))

    ends = resumed(tmp_path / "c", (2,), 5, net, lambda: Adam(0.05), **options)
    assert_equal_ends(ends)
    assert ends[0][1][1].mean.tobytes() == ends[1][1][1].mean.tobytes()
    assert ends[0][1][1].rng.random() == ends[1][1][1].rng.random()


class Counting(Centred):
    """One that makes an attribute in its first forward."""

    def forward(self, X):
        self.calls = [*getattr(self, "calls", ()), len(X)] if self.training else getattr(self, "calls", [])
        return X


def test_a_students_attribute_that_was_not_there_at_the_start_goes_on(tmp_path):
    def net(seed):
        return Sequential(Linear(3, 4, rng=seed), Counting(4), Linear(4, 1, rng=seed))

    ends = resumed(tmp_path / "c", (2,), 5, net, lambda: Adam(0.05))
    assert_equal_ends(ends)
    assert len(ends[0][1][1].calls) >= 5
    assert ends[0][1][1].calls == ends[1][1][1].calls


def test_the_epoch_that_was_kept_comes_back_from_the_file(tmp_path):
    """The best epoch was before the interruption."""
    options = {"validation": (X[:6], Y[:6] + 5 * RNG.normal(size=(6, 1))), "patience": 4, "rng": 0, "progress": False}
    net, twin = network(), network()
    whole = fit(net, X, Y, MSE(), SGD(0.2, momentum=0.9), epochs=50, **options)
    assert whole.best_epoch < whole.epochs < 50
    for epochs in (whole.best_epoch + 1, 50, 50):  # the last one finds everything done
        twin = network(0 if epochs < 50 else 9)
        parts = fit(twin, X, Y, MSE(), SGD(0.2, momentum=0.9), epochs=epochs, checkpoint=tmp_path / "c", resume=True, **options)
    assert parts.to_dict() == whole.to_dict()
    np.testing.assert_equal(twin.state_dict(), net.state_dict())


def test_every_says_how_often_and_without_resume_a_file_is_replaced(tmp_path):
    file, seen = tmp_path / "c", []

    def look(training):
        seen.append(archive.read(file, "checkpoint")["epoch"] if file.exists() else 0)

    options = {"checkpoint": file, "progress": False, "callbacks": [look]}
    fit(network(), X, Y, MSE(), SGD(0.1), epochs=7, every=3, **options)
    assert seen == [0, 0, 0, 3, 3, 3, 6]
    assert archive.read(file, "checkpoint")["epoch"] == 7
    fit(network(), X, Y, MSE(), SGD(0.1), epochs=1, **options)
    assert archive.read(file, "checkpoint")["epoch"] == 1


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    file = tmp_path / "c"
    options = {"epochs": 4, "batch_size": 4, "progress": False, "rng": 0}
    fit(network(), X, Y, MSE(), Adam(0.01), checkpoint=file, **options)
    who = f"fit: checkpoint {file}"

    def text(net=None, optimizer=None, x=X, loss=None, **change):
        net, optimizer, loss = net or network(), optimizer or Adam(0.01), loss or MSE()
        before = net.state_dict()
        found = message(ValueError, fit, net, x, Y[: len(x)], loss, optimizer, checkpoint=file, resume=True, **options | change)
        np.testing.assert_equal(net.state_dict(), before)
        assert optimizer.steps == 0
        return found

    assert text(batch_size=5) == f"{who}: was made with batch_size 4, and now it is 5; expected the same"
    assert text(x=X[:10]) == f"{who}: was made with examples 22, and now it is 10; expected the same"
    assert text(shuffle=False) == f"{who}: was made with shuffle True, and now it is False; expected the same"
    assert text(validation=0.2) == f"{who}: was made with another share for validation or other data, expected the same"
    for other in (SGD(0.01), Adam(0.02), Adam(0.01, beta1=0.8), Adam(StepDecay(0.01, 5)), Adam(0.01, clip_norm=1)):
        assert text(optimizer=other) == f"{who}: was made with optimizer Adam(lr=0.01), and now it is {other}; expected the same"
    assert text(loss=MAE()) == f"{who}: was made with loss MSE(), and now it is MAE(); expected the same"
    assert text(net=network().astype("float32")).startswith(f"{who}: was made with element type float64, and now it is float32")
    assert text(x=X[::-1].copy()).startswith(f"{who}: was made with other examples, or with these in another order; expected")
    assert text(sample_weight=np.arange(22.0)).startswith(f"{who}: was made with other examples")
    assert text(validation=(X, Y)).startswith(f"{who}: was made with other examples")
    other, relu = network(), network()
    other[2].p, relu[3] = 0.9, ReLU()
    assert text(net=other) == f"{who}: was made with module 2 Dropout(0.2), and now it is Dropout(0.9); expected the same"
    assert text(net=relu) == f"{who}: was made with module 3 Tanh(), and now it is ReLU(); expected the same"
    deeper = network()
    deeper.append(ELU())
    assert text(net=deeper).startswith(f"{who}: holds the settings of 8 modules, expected 9")
    wider = Sequential(Linear(3, 6), BatchNorm(6), Dropout(), Tanh(), Linear(6, 4), Tanh(), GaussianNoise(0.1), Linear(4, 1))
    assert text(net=wider) == f"{who}: was made with module 0 Linear(3 -> 5), and now it is Linear(3 -> 6); expected the same"
    options.pop("rng")
    assert message(ValueError, fit, network(), X, Y, MSE(), Adam(), resume=True) == (
        "fit: resume without checkpoint, expected checkpoint=path, the file to go on from"
    )
    assert message(TypeError, fit, network(), X, Y, MSE(), Adam(), checkpoint=3).startswith("fit: checkpoint is 3, expected")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        fit(network(), X, Y, MSE(), Adam(), checkpoint=tmp_path / "none" / "c")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    assert "is damaged" in message(FileError, fit, network(), X, Y, MSE(), Adam(0.01), checkpoint=file, resume=True, **options)
    modnet.save(network(), file)
    assert "holds a network, expected a checkpoint" in message(
        FileError, fit, network(), X, Y, MSE(), Adam(0.01), checkpoint=file, resume=True, **options
    )


def test_what_a_callback_set_goes_on_where_it_was_set(tmp_path):
    """Ctrl-C in a notebook: the cell runs again with the same network and optimizer, whose settings a callback has changed."""
    net, optimizer = network(), Adam(0.01)

    def change(training):
        training.optimizer.lr, training.net[2].p = 0.002, 0.5

    options = {"checkpoint": tmp_path / "c", "progress": False, "callbacks": [change]}
    fit(net, X, Y, MSE(), optimizer, epochs=2, **options)
    assert fit(net, X, Y, MSE(), optimizer, epochs=4, resume=True, **options).epochs == 4
    assert fit(network(), X, Y, MSE(), Adam(0.01), epochs=5, resume=True, **options).epochs == 5


def test_an_order_that_is_none_is_refused(tmp_path):
    """It says which examples are read, and so must name each once."""
    file = tmp_path / "c"
    options = {"epochs": 4, "progress": False, "checkpoint": file}
    fit(network(), X, Y, MSE(), Adam(0.01), **options)
    kept = archive.read(file, "checkpoint")
    for wrong in (kept["order"] + 1, kept["order"] * 0, kept["order"][:-1], kept["order"].astype(np.float64)):
        archive.write(file, "checkpoint", {**kept, "order": wrong})
        assert "was made with other data" in message(
            ValueError, fit, network(), X, Y, MSE(), Adam(0.01), resume=True, **options | {"epochs": 9}
        )


def changed(tree, rng):
    """The tree with one of its parts replaced by something else."""
    kinds = [None, 0, -1, 10**40, 1.5, "x", [], {}, np.zeros(0), np.full(3, 7), np.array([[1.5]]), True]
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        name = list(tree)[rng.integers(len(tree))]
        return {**tree, name: changed(tree[name], rng)}
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        at = int(rng.integers(len(tree)))
        return [*tree[:at], changed(tree[at], rng), *tree[at + 1 :]]
    return kinds[rng.integers(len(kinds))]


def test_a_checkpoint_of_any_content_is_refused_or_trained_on(tmp_path):
    """Whoever writes one on purpose can make the checksums fit."""
    file, options = tmp_path / "c", {"progress": False, "patience": 2, "validation": 0.3, "batch_size": 5}
    fit(network(), X, Y, MSE(), Adam(ReduceOnFew()), epochs=2, rng=0, checkpoint=file, **options)
    kept, refused = archive.read(file, "checkpoint"), 0
    for seed in range(50):
        archive.write(file, "checkpoint", changed(kept, np.random.default_rng(seed)))
        net, optimizer = network(), Adam(ReduceOnFew())
        before, said = net.state_dict(), ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", modnet.TrainingWarning)
            try:
                fit(net, X, Y, MSE(), optimizer, epochs=3, checkpoint=file, resume=True, **options)
            except ValueError as error:
                said = str(error)
        if said:
            refused += 1
            assert str(file) in said, (seed, said)
            np.testing.assert_equal(net.state_dict(), before)
    assert refused > 15


def ReduceOnFew():
    return schedules.ReduceOnPlateau(0.01, patience=0)


TRAIN = """
import sys, numpy as np
from modnet import *
from modnet.optim import Adam
rng = np.random.default_rng(0)
X = rng.normal(size=(64, 3)); Y = np.sin(X[:, :1])
net = Sequential(Linear(3, 5, rng=0), BatchNorm(5), Dropout(0.2, rng=1), Tanh(), Linear(5, 1, rng=2))
print("begun", flush=True)
history = fit(net, X, Y, MSE(), Adam(0.01), epochs=int(sys.argv[2]), checkpoint=sys.argv[1], resume=True, rng=0, progress=False)
print(history.epochs, net.parameters.tobytes().hex(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there are no such signals")
def test_a_training_that_is_killed_twice_goes_on(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(modnet.__file__).parent.parent)}
    command, file, epoch = [sys.executable, "-c", TRAIN], tmp_path / "c", 0
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen([*command, file, "100000"], env=environment, stdout=subprocess.PIPE) as killed:
            assert killed.stdout.readline() == b"begun\n"
            while killed.poll() is None and (not file.exists() or archive.read(file, "checkpoint")["epoch"] <= epoch):
                time.sleep(0.01)
            killed.send_signal(number)
            assert killed.wait(60) == -number
        epoch = archive.read(file, "checkpoint")["epoch"]
    ends = [
        subprocess.run([*command, where, str(epoch + 3)], env=environment, capture_output=True, check=True, timeout=240).stdout
        for where in (file, tmp_path / "d")
    ]
    assert ends[0] == ends[1]
    assert f"{epoch + 3} ".encode() in ends[0]


def test_labels_and_their_share_go_on(tmp_path):
    y = (X[:, 0] > 0.5).astype(int)

    def net(seed):
        return Sequential(Linear(3, 5, rng=seed), Tanh(), Linear(5, 2, rng=seed))

    assert_equal_ends(resumed(tmp_path / "c", (1,), 3, net, lambda: Adam(0.1), y=y, loss=CrossEntropy(), validation=0.3))


def test_batches_go_on(tmp_path, path):
    batches = [(X[i : i + 5], Y[i : i + 5]) for i in range(0, 20, 5)]
    assert_equal_ends(resumed(tmp_path / "c", (2,), 4, network, lambda: Adam(0.1), batches, None, callbacks=path))


