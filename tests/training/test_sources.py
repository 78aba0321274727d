"""Examples that are not arrays in memory train like those that are: to the bit, if the steps are the same."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from fit_cases import network
from helpers import message

from modnet import BatchNorm, CrossEntropy, Embedding, Linear, Sequential, evaluate, fit, predict
from modnet.optim import Adam
from modnet.training import sources

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 3)), RNG.integers(0, 3, 50)


def trained(x, y, path=(), **options):
    net = network()
    options = {"rng": 0, "epochs": 3, "batch_size": 8, **options}
    history = fit(net, x, y, CrossEntropy(), Adam(0.05), progress=False, callbacks=path, **options)
    return net.parameters.copy(), history.to_dict()


def assert_same(got, want):
    np.testing.assert_array_equal(got[0], want[0])
    assert got[1] == want[1]


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param == "many blocks":
        monkeypatch.setattr(sources, "_BLOCK", 1)


@pytest.fixture
def mapped(tmp_path):
    """A function that puts an array into a file and maps it."""

    def put(array, name="a"):
        np.save(tmp_path / f"{name}.npy", array)
        return np.load(tmp_path / f"{name}.npy", mmap_mode="r")

    return put


@pytest.mark.parametrize("options", [{}, {"validation": 0.2}, {"shuffle": False, "sample_weight": np.linspace(0, 2, 50)},
                                     {"metrics": ["accuracy", "mae"], "validation": 0.3}], ids=str)  # fmt: skip
def test_a_file_that_is_mapped(blocks, mapped, path, options):
    assert_same(trained(mapped(X), mapped(Y, "y"), path, **options), trained(X, Y, path, **options))
    assert_same(trained(mapped(X.astype("f4")), Y, path), trained(X.astype("f4"), Y, path))


@pytest.mark.slow
def test_a_mapped_file_is_never_read_whole(tmp_path):
    """Its blocks are, one by one, and so are those that predict and evaluate read."""
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, (40_000, 300))  # 96 MB
    x[:, 0] = RNG.normal(size=len(x))
    y = RNG.integers(0, 3, len(x))
    net = network(300)
    tracemalloc.start()
    try:
        fit(net, x, y, CrossEntropy(), Adam(), epochs=1, progress=False, validation=0.2, batch_size=256)
        predict(net, x)
        evaluate(net, x, y, loss=CrossEntropy(), metrics=["accuracy"])
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_a_mapped_validation_set(blocks, mapped, path):
    held = (X[:9], Y[:9], np.linspace(1, 2, 9))
    want = trained(X, Y, path, validation=held)
    assert_same(trained(X, Y, path, validation=(mapped(held[0]), *held[1:])), want)


def test_what_is_wrong_in_a_later_block_is_said(mapped, monkeypatch):
    monkeypatch.setattr(sources, "_BLOCK", 1)
    wrong = X.copy()
    wrong[40, 1] = np.nan
    assert message(ValueError, trained, mapped(wrong), Y, shuffle=False) == "fit: X[0, 1] is nan, expected finite numbers"
    net = Sequential(Embedding(5, 2, rng=0), Linear(2, 3, rng=1))
    words = np.zeros((50, 4), int)
    words[33, 2] = 5
    text = message(ValueError, fit, net, mapped(words), np.zeros((50, 4), int), CrossEntropy(), Adam(), batch_size=8)
    assert text.startswith("fit: Sequential[0] Embedding(5, 2): ")


BATCHES = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 50, 8)]


def test_batches_of_a_list_of_an_iterator_and_of_a_function(path):
    want = trained(X, Y, path, shuffle=False)
    assert_same(trained(BATCHES, None, path), want)
    assert_same(trained(lambda: iter(BATCHES), None, path), want)
    once = trained(X, Y, path, shuffle=False, epochs=1)
    assert_same(trained(iter(BATCHES), None, path, epochs=1), once)


def test_batches_of_growing_size_with_weights_and_validation(path):
    cuts = [0, 1, 4, 20, 50]
    weights = np.linspace(0, 1, 50)
    batches = [(X[a:b], Y[a:b], weights[a:b]) for a, b in pairwise(cuts)]
    net = network()
    history = fit(net, batches, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=2, progress=False, callbacks=path,
                  validation=(X, Y), metrics=["f1_macro"])  # fmt: skip
    twin, optimizer, loss = network(), Adam(0.05), CrossEntropy()
    optimizer.attach(twin)
    for _ in range(2):
        total = 0.0
        for x, y, w in batches:
            yhat = twin.forward(x)
            total += float(np.sum(w * loss.forward(y, yhat)))
            twin.zero_grad()
            twin.backward_update_gradient(x, loss.backward(y, yhat) * w[:, None] / len(x))
            optimizer.step()
    np.testing.assert_allclose(net.parameters, twin.parameters, rtol=1e-12)
    assert history.loss[-1] == pytest.approx(total / 50)
    assert list(history.metrics) == ["accuracy", "validation_accuracy", "validation_f1_macro", "lr"]


def test_a_batch_normalisation_sees_each_batch(path):
    net = Sequential(BatchNorm(3), Linear(3, 3, rng=0))
    fit(net, [(X[:33], Y[:33])], loss=CrossEntropy(), optimizer=Adam(), epochs=1, progress=False, callbacks=path)
    np.testing.assert_allclose(net[0].running_mean, 0.1 * X[:33].mean(axis=0))


@pytest.mark.parametrize(
    ("batches", "error", "said"),
    [
        (lambda: [], ValueError, "fit: X gives no batches, expected at least one (X, y)"),
        (iter([]), TypeError, "fit: X is a list_iterator, which can be gone through once, but there are 3 epochs; pass a function "
         "that makes one, such as lambda: read_batches()"),
        (lambda: 3, TypeError, "fit: X() returned 3, expected an iterable of batches (X, y)"),
        (lambda: [X], TypeError, "fit: batch 0 is "),
        (lambda: [(X,) * 4], TypeError, "fit: batch 0 is 4 parts, expected (X, y) or (X, y, weights)"),
        (lambda: [(X[:3], Y[:2])], ValueError, "fit: X has 3 examples but y has 2; y needs one value per example"),
        ([BATCHES[0], (X[:, :2], Y)], ValueError, "Sequential[0] Linear(3 -> 5): input has shape (50, 2), expected (batch, 3)"),
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused(batches, error, said):
    assert message(error, trained, batches, None).startswith(said)


def test_a_function_that_gives_its_only_generator_again_is_refused(path):
    once = iter([(X, Y)])
    text = message(ValueError, fit, network(), lambda: once, loss=CrossEntropy(), optimizer=Adam(), epochs=2, callbacks=path)
    assert text.startswith("fit: X gives no batches in epoch 2, expected the batches of epoch 1 again; a function has to make them anew")


def test_a_mapped_number_is_refused(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, ())
    assert message(ValueError, trained, x, Y) == "fit: X has shape (), expected (batch, ...) with at least one example"


def test_what_batches_have_no_meaning_for_is_refused():
    assert message(ValueError, trained, BATCHES, None, sample_weight=np.ones(50)) == (
        "fit: sample_weight beside an iterable of batches; put weights into each batch: (X, y, weights)"
    )
    assert message(ValueError, trained, BATCHES, None, validation=0.2) == (
        "fit: validation is 0.2, but X is an iterable of batches; expected a pair (X, y)"
    )
    assert message(ValueError, trained, BATCHES, None, metrics=["accuracy"]) == (
        "fit: metrics of batches that come from an iterable are taken over the validation examples; pass validation=(X, y)"
    )


# Augmentation


def test_a_function_changes_each_batch_anew(blocks, path):
    seen = []

    def flip(x, y, rng):
        seen.append((len(x), float(rng.random())))
        x *= -1  # a copy
        return x, 2 - y

    before = X.copy()
    assert_same(trained(X, Y, path, augment=flip, shuffle=False), trained(-X, 2 - Y, path, shuffle=False))
    np.testing.assert_array_equal(X, before)
    assert [n for n, _ in seen] == [8, 8, 8, 8, 8, 8, 2] * 3
    assert len({draw for _, draw in seen}) == len(seen)
    first, seen[:] = list(seen), []
    trained(X, Y, path, augment=flip, shuffle=False)
    assert seen == first


def test_validation_examples_are_not_augmented(path):
    def to_zero(x, y, rng):
        return 0 * x, y

    net = network()
    history = fit(net, X, Y, CrossEntropy(), Adam(0.05), epochs=1, progress=False, callbacks=path, augment=to_zero,
                  validation=(X, Y))  # fmt: skip
    assert history.validation_loss[0] == pytest.approx(float(np.mean(CrossEntropy().forward(Y, predict(net, X)))))


@pytest.mark.parametrize(
    ("function", "error", "said"),
    [
        (3, TypeError, "fit: augment is 3, expected a function (X, y, rng) -> (X, y)"),
        (lambda x, y, rng: x, TypeError, "fit: augment returned array("),
        (lambda x, y, rng: (x[:, :2], y), ValueError, "fit: augment returned X of shape (8, 2) and y of (8,) for (8, 3) and (8,)"),
        (lambda x, y, rng: (x * np.nan, y), ValueError, "fit: augment: X[0, 0] is nan, expected finite numbers"),
        (lambda x, y, rng: (x, y + 9), ValueError, "CrossEntropy(): y holds the label "),
    ],
)  # fmt: skip
def test_what_a_function_gives_is_checked(function, error, said):
    assert message(error, trained, X, Y, augment=function).startswith(said)
