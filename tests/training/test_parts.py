"""A batch shared between threads: the same training as by one, with the same bits in every run."""

import numpy as np
import pytest

from modnet import MSE, CrossEntropy, Linear, ReLU, Sequential, Tanh, fit
from modnet.optim import SGD, Adam
from modnet.training import parts

pytestmark = pytest.mark.needs_jit


@pytest.fixture
def threads(monkeypatch):
    """Choose how many threads share a batch, of networks of any size."""

    def choose(count):
        monkeypatch.setattr(parts, "count_parts", lambda program, size, examples: count)

    return choose


def trained(dtype="float64", optimizer=None, batch_size=16, scale=1.0, weight=None, epochs=4, loss=None, n=64):
    rng = np.random.default_rng(0)
    X, y = scale * rng.normal(size=(n, 5)), rng.integers(0, 3, n)
    net = Sequential(Linear(5, 7, rng=0), Tanh(), Linear(7, 6, rng=1), ReLU(), Linear(6, 3, rng=2)).astype(dtype)
    history = fit(
        net, X, y if loss is None else rng.normal(size=(n, 3)), loss or CrossEntropy(), optimizer or Adam(0.01), epochs=epochs,
        batch_size=batch_size, rng=0, sample_weight=weight, progress=False,
    )  # fmt: skip
    return net.parameters.copy(), history


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_threads_train_as_one_does(threads, count, weighted):
    weight = np.random.default_rng(1).random(64) if weighted else None
    threads(1)
    alone, history = trained(weight=weight)
    threads(count)
    together, shared = trained(weight=weight)
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shared.loss, history.loss, rtol=1e-10)
    np.testing.assert_allclose(shared.metrics["accuracy"], history.metrics["accuracy"], rtol=1e-12)


def test_a_short_last_batch_is_shared_too(threads):
    threads(1)
    alone, _ = trained(n=53, loss=MSE())
    threads(2)
    together, _ = trained(n=53, loss=MSE())
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)


def test_the_bits_are_the_same_in_every_run(threads):
    threads(2)
    first, _ = trained("float32", epochs=20)
    for _ in range(3):
        np.testing.assert_array_equal(trained("float32", epochs=20)[0], first)


@pytest.mark.filterwarnings("ignore::modnet.training.training.TrainingWarning")
@pytest.mark.parametrize("optimizer", [lambda: SGD(1e200), lambda: SGD(1e290, clip_norm=1e38)])
def test_divergence_ends_all_threads_and_leaves_finite_parameters(threads, optimizer):
    threads(1)
    alone, history = trained(optimizer=optimizer(), loss=MSE(), scale=1e5)
    threads(2)
    together, shared = trained(optimizer=optimizer(), loss=MSE(), scale=1e5)
    assert "diverged" in history.stopped_because
    assert "diverged" in shared.stopped_because
    assert np.isfinite(together).all()
    assert len(shared.loss) == len(history.loss)
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_a_step_of_a_small_network_is_not_shared():
    from modnet.engine.run import program_of

    net = Sequential(Linear(2, 16), ReLU(), Linear(16, 2))
    assert parts.count_parts(program_of(net, (2,), np.dtype(np.float64)), 32, 1024) == 1


def test_a_step_of_a_large_network_is_shared_if_there_are_threads(monkeypatch):
    from modnet.engine.run import program_of

    monkeypatch.setattr(parts, "thread_count", lambda: 2)
    net = Sequential(Linear(784, 512), ReLU(), Linear(512, 10))
    program = program_of(net, (784,), np.dtype(np.float64))
    assert parts.count_parts(program, 256, 5120) == 2
    assert parts.count_parts(program, 256, 258) == 2  # of the last batch, one example for each
    assert parts.count_parts(program, 256, 257) == 1  # the last batch, of one example, cannot be
    assert parts.count_parts(program, 96, 5120) == 1  # as many parameters for so few examples are not worth handing over
