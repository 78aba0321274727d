"""Data in the forms that people have it in: frames, half precision, mapped, unaligned; and trainings without end."""

import gc
import os

import numpy as np
import pytest
from fit_cases import network
from helpers import layouts, message
from scipy import sparse

from modnet import CrossEntropy, TrainingWarning, evaluate, fit, predict
from modnet.optim import Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3)).astype(np.float16).astype(np.float64)
Y = RNG.integers(0, 3, 30)


def trained(x, y):
    net = network()
    history = fit(net, x, y, CrossEntropy(), Adam(0.05), epochs=2, rng=0, validation=0.2, progress=False)
    return [*history.loss, *history.validation_loss, *predict(net, x).reshape(-1), *evaluate(net, x, y, loss=CrossEntropy()).values()]


def frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"), index=RNG.permutation(30))
    return [(frame, pandas.Series(Y, index=range(30, 60))), (frame.convert_dtypes().reset_index(drop=True), pandas.Series(Y).astype("Int64"))]


def test_frames_whose_index_says_that_one_was_shuffled_are_warned_of_and_the_advice_ends_it():
    pandas = pytest.importorskip("pandas")
    from modnet.estimators import NetClassifier

    frame = pandas.DataFrame(X, index=RNG.permutation(30))
    y = pandas.Series(Y, name="class")
    for call in (trained, NetClassifier((4,), max_iter=500, tol=1e9, n_iter_no_change=1).fit):
        with pytest.warns(TrainingWarning, match=r"same index in different orders.* y.loc\[X.index\]"):
            call(frame, y)
        for mended in (y.loc[frame.index], y.set_axis(frame.index), y.set_axis(range(1, 31)), y.to_numpy(), list(y)):
            call(frame, mended)


def polars_frames():
    polars = pytest.importorskip("polars")
    return [(polars.DataFrame(X), polars.Series(Y)), (polars.DataFrame(X), polars.DataFrame({"y": Y})["y"])]


def mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return [(np.load(tmp_path / "x.npy", mmap_mode=mode), Y) for mode in ("r", "c", "r+")]


@pytest.mark.parametrize("given", ["pandas", "polars", "float16", "mapped", "layouts"])
def test_the_same_numbers_train_alike(given, tmp_path):
    want = trained(X, Y)
    pairs = {
        "pandas": frames, "polars": polars_frames, "float16": lambda: [(X.astype(np.float16), Y.astype(np.int8))],
        "mapped": lambda: mapped(tmp_path),
        "layouts": lambda: list(zip(layouts(X).values(), list(layouts(Y).values()) * 9)),
    }[given]()  # fmt: skip
    for x, y in pairs:
        assert trained(x, y) == want


def test_sparse_and_incomplete_tables_are_refused_with_advice():
    for call in (trained, lambda x, y: predict(network(), x)):
        assert "is a sparse matrix, expected a dense array; convert it with X.toarray()" in message(
            TypeError, call, sparse.csr_matrix(X), Y
        )
    polars = pytest.importorskip("polars")
    holes = polars.DataFrame({"a": [1.0, None], "b": [2.0, 3.0], "c": [0.0, 1.0]})
    assert message(ValueError, trained, holes, Y[:2]).startswith("fit: X[1, 0] is nan, expected finite numbers")


def test_weights_by_class_and_words_for_yes_are_refused_with_advice():
    assert message(TypeError, fit, network(), X, Y, CrossEntropy(), Adam(), sample_weight="balanced").endswith(
        "write sample_weight=modnet.balanced_weights(y)"
    )
    for weights, written in (({0: 1.0, 2: 0.5, 1: 2.0}, "[1.0, 2.0, 0.5]"), ({"cat": 1.0}, "[1.0, 5.0]")):
        assert message(TypeError, fit, network(), X, Y, CrossEntropy(), Adam(), sample_weight=weights).endswith(
            f"write sample_weight=np.array({written})[y], the weight of each class"
        )
    for name in ("shuffle", "progress"):
        assert message(TypeError, fit, network(), X, Y, CrossEntropy(), Adam(), **{name: "no"}) == (
            f"fit: {name} is 'no', expected True or False"
        )


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not say how much memory is used")
def test_a_thousand_trainings_leave_nothing_behind():
    def train(count):
        for _ in range(count):
            fit(network(), X[:8], Y[:8], CrossEntropy(), Adam(0.05), epochs=1, validation=0.2, progress=False)
        gc.collect()
        with open("/proc/self/statm") as file:
            return len(gc.get_objects()), int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    train(50)
    objects, memory = train(50)
    more_objects, more_memory = train(1000)
    assert more_objects - objects < 500
    assert more_memory - memory < 5_000_000  # bytes; each network and its walk have 20,000
