"""Dropout and GaussianNoise: what they draw, when they draw, and that backward has the draw of the last forward."""

import copy
import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers import PassThrough, assert_derivative, before_forward, forward_again, message
from scipy import stats

import modnet
from modnet import Concat, CrossEntropy, Dropout, GaussianNoise, Linear, Residual, Sequential, Tanh
from modnet.modules.noise import _cosine, _normal
from modnet.optim import SGD, Adam

MASK, STEP = (1 << 64) - 1, 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def bits_of(seed, number, i, use=0):
    """The 53 bits of element i in a forward, in Python's whole numbers: the definition of the draw.

    number counts forwards in training from 1, use the uses of the module in one walk from 0.
    """
    key = int(np.random.default_rng(seed).integers(0, 2**64, dtype=np.uint64))
    start = mix((mix((mix(key) + use * STEP) & MASK) + number * STEP) & MASK)
    return mix((start + i * STEP) & MASK) >> 11


def mask_of(module, shape, dtype=np.float64):
    """Which elements the next forward keeps."""
    return module.forward(np.ones(shape, dtype)) != 0


# What is drawn


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_masks_are_those_of_the_definition(seed, dtype):
    p = 0.3
    module = Dropout(p, rng=seed)
    x = np.random.default_rng(5).normal(size=(4, 3, 5)).astype(dtype)
    for number in (1, 2, 3):
        keep = [bits_of(seed, number, i) >= p * 2**53 for i in range(x.size)]
        want = (x * np.reshape(keep, x.shape)) * dtype(1 / 0.7)
        np.testing.assert_array_equal(module.forward(x), np.where(want == 0, 0, x * dtype(1 / 0.7)))
    assert module.key == np.random.default_rng(seed).integers(0, 2**64, dtype=np.uint64)


def test_splitmix_gives_the_published_numbers():
    # The first outputs of SplitMix64 for the seed 1234567, by its authors' program.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [mix((1234567 + i * STEP) & MASK) for i in range(1, 6)] == published


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_is_p_and_the_mean_is_kept(p):
    kept = sum(int(mask_of(Dropout(p, rng=seed), (100, 100)).sum()) for seed in range(20))
    n = 200_000
    assert abs(kept - n * (1 - p)) < 4 * math.sqrt(n * p * (1 - p))
    out = Dropout(p, rng=3).forward(np.full((400, 400), 2.0))
    np.testing.assert_allclose(np.unique(out), [0, 2 / (1 - p)], rtol=1e-15)
    assert out.mean() == pytest.approx(2, rel=5 * math.sqrt(p / (1 - p) / out.size))


def test_elements_forwards_and_seeds_are_independent():
    masks = np.array([[mask_of(m, (1, 300))[0] for _ in range(60)] for m in (Dropout(0.5, rng=s) for s in range(60))])
    signs = np.where(masks, 1.0, -1.0)
    n = signs[:, :, 1:].size
    for product in (
        signs[:, :, 1:] * signs[:, :, :-1],  # neighbours
        signs[:, 1:] * signs[:, :-1],  # one forward and the next
        signs[1:] * signs[:-1],  # one seed and the next
    ):
        assert abs(product.sum()) < 4 * math.sqrt(n)


def test_noise_is_normal_with_its_sigma():
    z = np.concatenate([GaussianNoise(0.5, rng=seed).forward(np.zeros((50, 200))).ravel() for seed in range(20)]) / 0.5
    assert stats.kstest(z, "norm").pvalue > 0.01
    assert abs(z.mean()) < 4 / math.sqrt(z.size)
    assert z.var() == pytest.approx(1, abs=4 * math.sqrt(2 / z.size))
    # A method whose tails were cut would not get this far: among 200,000 numbers the largest is near 4.4.
    assert 4.0 < np.abs(z).max() < 6.0


def test_noise_is_box_and_mullers_to_the_last_digits():
    module = GaussianNoise(2.0, rng=7)
    out = module.forward(np.zeros((3, 40))).ravel()
    for i, got in enumerate(out):
        u, v = (bits_of(7, 1, 2 * i) + 1) / 2**53, bits_of(7, 1, 2 * i + 1) / 2**53
        # cos(2 pi v) from the exact turn, brought near to 0 first: math.cos of a rounded 2 pi v is itself only good to 1e-15.
        want = 2 * math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
        assert got == pytest.approx(want, abs=1e-14)


def test_the_cosine_is_exact_at_every_eighth_and_within_its_accuracy_between():
    cosine = getattr(_cosine, "py_func", _cosine)
    for v, want in ((0.0, 1), (0.25, 0), (0.5, -1), (0.75, 0), (1.0, 1), (0.125, math.sqrt(0.5)), (0.375, -math.sqrt(0.5))):
        assert cosine(v) == pytest.approx(want, abs=4e-16)
    for v in np.random.default_rng(0).uniform(size=500):
        assert cosine(float(v)) == pytest.approx(math.cos(2 * math.pi * v), abs=2e-15)


def test_the_ends_of_the_uniform_numbers_give_finite_noise():
    normal = getattr(_normal, "py_func", _normal)
    assert normal(0, 0) == pytest.approx(math.sqrt(2 * 53 * math.log(2)), rel=1e-14)
    assert normal(0, 2**52) == pytest.approx(-8.5716, abs=1e-4)
    assert normal(2**53 - 1, 0) == 0
    assert abs(normal(2**52 - 1, 2**51)) < 1e-15  # cos of a quarter turn


@pytest.mark.parametrize("kind", [Dropout, GaussianNoise])
def test_float32_has_the_draw_of_float64(kind):
    a, b = kind(0.4, rng=3), kind(0.4, rng=3)
    x = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    single, double = a.forward(x), b.forward(x.astype(np.float64))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(single == 0, double == 0)
    assert a.backward_delta(x, x).dtype == np.float32


DRAWN = """
import sys
import numpy as np
from modnet import Dropout, GaussianNoise, Sequential
out = []
for kind in (Dropout, GaussianNoise):
    for dtype in ("float32", "float64"):
        module = kind(0.4, rng=5)
        out.append(Sequential(module, module).forward(np.ones((7, 9), dtype)))
np.savez(sys.argv[1], *out)
"""


@pytest.mark.needs_jit
def test_what_is_drawn_does_not_depend_on_compilation(tmp_path):
    found = []
    for switch in ("0", "1"):
        file = tmp_path / f"{switch}.npz"
        subprocess.run(
            [sys.executable, "-W", "error", "-c", DRAWN, file], env={**os.environ, "NUMBA_DISABLE_JIT": switch}, check=True
        )
        with np.load(file) as arrays:
            found.append([arrays[name] for name in arrays.files])
    for compiled, plain in zip(*found, strict=True):
        assert compiled.dtype == plain.dtype
        # In compiled code a product and a sum may be rounded once, together.
        rtol = 1e-6 if compiled.dtype == np.float32 else 1e-14
        np.testing.assert_allclose(compiled, plain, rtol=rtol, atol=rtol)
        np.testing.assert_array_equal(compiled == 0, plain == 0)
    for single, double in (found[0][:2], found[0][2:]):
        np.testing.assert_allclose(single, double, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(single == 0, double == 0)


# When it is drawn


@pytest.mark.parametrize("kind", [Dropout, GaussianNoise])
def test_seeds_and_generators_fix_what_is_drawn(kind):
    x = np.ones((6, 50))
    same = kind(0.5, rng=4), kind(0.5, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(same[0].forward(x), same[1].forward(x))
    source = np.random.default_rng(4)
    first, second = kind(0.5, rng=source), kind(0.5, rng=source)
    assert not np.array_equal(first.forward(x), second.forward(x))
    assert not np.array_equal(kind(0.5).forward(x), kind(0.5).forward(x))
    assert not np.array_equal(kind(0.5, rng=1).forward(x), kind(0.5, rng=2).forward(x))


@pytest.mark.parametrize("kind", [Dropout, GaussianNoise])
def test_every_forward_in_training_draws_anew_and_none_in_evaluation(kind):
    x = np.ones((6, 50))
    module, twin = kind(0.5, rng=4), kind(0.5, rng=4)
    first, second = module.forward(x), module.forward(x)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(module.eval().forward(x), x)
    np.testing.assert_array_equal(module.backward_delta(x, 3 * x), 3 * x)
    third = module.train().forward(x)
    for want in (first, second, third):  # evaluation used up no draw
        np.testing.assert_array_equal(twin.forward(x), want)


def test_backward_has_the_mask_of_the_last_forward_whatever_it_is_asked():
    module = Dropout(0.5, rng=0)
    x, delta = np.ones((4, 9)), np.random.default_rng(1).normal(size=(4, 9))
    module.forward(7 * x)
    mask = module.forward(x) / x
    for given in (x, 5 * x):
        np.testing.assert_array_equal(module.backward_delta(given, delta), delta * mask)
        np.testing.assert_array_equal(module.backward_delta(given, delta), delta * mask)
    module.backward_update_gradient(x, delta)
    np.testing.assert_array_equal(module.backward_delta(x, delta), delta * mask)


def test_noise_passes_delta_on_unchanged():
    module = GaussianNoise(3.0, rng=0)
    delta = np.random.default_rng(1).normal(size=(4, 9))
    module.forward(delta)
    np.testing.assert_array_equal(module.backward_delta(delta, delta), delta)


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_dropping_nothing_is_exact_and_a_nan_is_never_dropped(p):
    module = Dropout(p, rng=0)
    x = np.random.default_rng(2).normal(size=(5, 5))
    if p == 0:
        np.testing.assert_array_equal(module.forward(x), x)
        np.testing.assert_array_equal(module.backward_delta(x, x), x)
    x[:] = np.nan
    assert np.isnan(module.forward(x)).all()
    np.testing.assert_array_equal(GaussianNoise(0.0, rng=0).forward([[1.5, -2.0]]), [[1.5, -2.0]])


# In networks


def twice(plain):
    """A Dropout and a GaussianNoise, each used twice."""
    drop, noise = Dropout(0.3, rng=3), GaussianNoise(0.2, rng=1)
    return Sequential(
        noise, Linear(4, 8, rng=2), drop, Tanh(), *[PassThrough()] * plain,
        Linear(8, 8, rng=4), drop, noise, Linear(8, 4, rng=6),
    )  # fmt: skip


def network(plain, rate=0.3):
    """Modules that draw at every depth."""
    return Sequential(
        GaussianNoise(0.2, rng=1),
        Linear(4, 8, rng=2),
        *[PassThrough()] * plain,
        Residual(Sequential(Tanh(), Dropout(rate, rng=3)), Linear(8, 8, rng=4)),
        Concat(Sequential(Dropout(0.5, rng=5), Linear(8, 2, rng=6)), Linear(8, 2, rng=7)),
        Dropout(0.1, rng=8),
    )


def noisy(net):
    """The modules that draw, each once."""
    return list({id(m): m for m in net.leaves() if getattr(type(m), "has_mode", False)}.values())


@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
@pytest.mark.parametrize("make", [network, twice], ids=["network", "used twice"])
def test_a_networks_backward_is_the_derivative_of_the_forward_that_was_drawn(make, plain):
    net = make(plain)
    assert net.compiled is not plain
    rng = np.random.default_rng(9)
    x, delta = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    for _ in range(2):
        net.zero_grad()
        before = before_forward(net)
        out = net.forward(x)
        dx = net.backward(x, delta)
        gradient = net.gradient.copy()
        for array, got in ((x, dx), (net.parameters, gradient)):
            assert_derivative(lambda before=before: forward_again(net, before, x), array, delta, got, rng)
        np.testing.assert_array_equal(forward_again(net, before, x), out)


@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
def test_a_dropout_used_twice_has_a_mask_for_each_use(plain):
    drop = Dropout(0.5, rng=3)
    net = Sequential(drop, *[PassThrough()] * plain, drop)
    x = np.ones((20, 30))
    for number in (1, 2):
        keep = [[bits_of(3, number, i, use) >= 2**52 for i in range(x.size)] for use in (0, 1)]
        first, second = np.reshape(keep, (2, *x.shape))
        assert (first != second).mean() == pytest.approx(0.5, abs=0.1)
        np.testing.assert_array_equal(net.forward(x), 4.0 * (first & second))
        np.testing.assert_array_equal(net.backward_delta(x, x), 4.0 * (first & second))
    assert len(noisy(net)) == 1


def test_by_hand_a_dropout_used_twice_answers_for_its_last_forward():
    drop, x = Dropout(0.5, rng=3), np.ones((20, 30))
    first = drop.forward(x)
    second = drop.forward(x)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(drop.backward_delta(x, x), second)


@pytest.mark.parametrize("kind", [Dropout, GaussianNoise])
def test_every_use_of_a_module_draws_another_draw_and_every_place_of_the_same_use_the_same(kind):
    """The draw depends on which use it is, not on what else the network does."""
    x = np.zeros((6, 5)) if kind is GaussianNoise else np.ones((6, 5))
    module = kind(0.5, rng=1)
    once = kind(0.5, rng=1).forward(x)
    both = Sequential(Concat(module, module)).forward(x)
    np.testing.assert_array_equal(both[:, :5], once)
    assert not np.array_equal(both[:, 5:], once)
    np.testing.assert_array_equal(Sequential(modnet.Identity(), kind(0.5, rng=1)).forward(x), once)


@pytest.mark.parametrize("make", [network, twice], ids=["network", "used twice"])
@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
def test_backward_on_another_input_repeats_the_draw_and_uses_up_none(plain, make):
    net, twin = make(plain), make(plain)
    rng = np.random.default_rng(9)
    x, other, delta = rng.normal(size=(5, 4)), rng.normal(size=(7, 4)), rng.normal(size=(5, 4))
    net.forward(x), twin.forward(x)
    want = twin.backward_delta(x, delta)
    net.backward_update_gradient(other, rng.normal(size=(7, 4)))
    assert all(m.training for m in net.leaves() if hasattr(m, "training"))
    np.testing.assert_array_equal(net.backward_delta(x, delta), want)
    np.testing.assert_array_equal(net.forward(x), twin.forward(x))


@pytest.mark.parametrize("make", [network, twice], ids=["network", "used twice"])
def test_both_walks_draw_the_same(make):
    x = np.random.default_rng(0).normal(size=(6, 4))
    a, b = make(False), make(True)
    for _ in range(3):
        np.testing.assert_array_equal(a.forward(x), b.forward(x))


def test_train_and_eval_reach_every_depth():
    net = network(False)
    assert len(noisy(net)) == 4
    x = np.random.default_rng(0).normal(size=(6, 4))
    assert not np.array_equal(net.forward(x), net.forward(x))
    net.eval()
    assert not any(m.training for m in noisy(net))
    np.testing.assert_array_equal(net.forward(x), net.forward(x))
    net.train()
    assert all(m.training for m in noisy(net))


@pytest.mark.parametrize("make", [network, twice], ids=["network", "used twice"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_path_of_fit_draws_the_same_masks(dtype, make):
    class Watcher(modnet.Callback):
        def on_batch_end(self, training):
            pass

    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(70, 4)), rng.integers(0, 4, 70)
    found = []
    for plain, callbacks in ((False, ()), (False, [Watcher()]), (True, ())):
        net = make(plain).astype(dtype)
        modnet.fit(
            net, X, y, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=3, batch_size=16, validation=0.2,
            rng=3, callbacks=callbacks,
        )  # fmt: skip
        found.append(net.parameters.copy())
        assert net.parameters.dtype == dtype
        # 56 examples in batches of 16, three times; validation draws nothing.
        assert [module.draws for module in noisy(net)] == [(3 * 4, 3 * 4)] * len(noisy(net))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    again = make(False).astype(dtype)
    modnet.fit(again, X, y, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=3, batch_size=16, validation=0.2, rng=3)
    np.testing.assert_array_equal(again.parameters, found[0])


def test_predict_and_validation_are_without_noise():
    net = network(False)
    x = np.random.default_rng(0).normal(size=(6, 4))
    clean = copy.deepcopy(net).eval().forward(x)
    np.testing.assert_array_equal(modnet.predict(net, x), clean)
    assert net.training
    assert all(m.training for m in noisy(net))
    loss = CrossEntropy()
    history = modnet.fit(
        net, x, np.arange(6) % 4, loss=loss, optimizer=SGD(1e-9), epochs=1, validation=(x, np.arange(6) % 4), rng=0
    )
    assert history.validation_loss[0] == pytest.approx(loss(np.arange(6) % 4, clean), rel=1e-6)
    assert history.loss[0] != pytest.approx(history.validation_loss[0], rel=1e-6)


def test_a_denoising_network_learns_to_take_the_noise_out():
    t = np.random.default_rng(0).uniform(-1, 1, (200, 1))
    X = t @ np.ones((1, 6))  # a line: whatever leaves it is noise
    net = Sequential(GaussianNoise(0.5, rng=0), Linear(6, 6, rng=1))
    modnet.fit(net, X, X, loss=modnet.MSE(), optimizer=Adam(0.02), epochs=60, rng=0)
    noisy = X + np.random.default_rng(1).normal(0, 0.5, X.shape)
    cleaned = modnet.predict(net, noisy)
    assert np.mean((cleaned - X) ** 2) < 0.4 * np.mean((noisy - X) ** 2)


def test_slices_of_a_network_share_its_draws():
    net = Sequential(Linear(2, 3, rng=0), Dropout(0.5, rng=1), Linear(3, 1, rng=2))
    x = np.ones((8, 2))
    head = net[:2].forward(x)
    np.testing.assert_array_equal(net[1].backward_delta(np.ones((8, 3)), np.ones((8, 3))) == 0, head == 0)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_goes_on_drawing_as_the_original_would(again):
    net = network(False)
    x, delta = np.random.default_rng(0).normal(size=(5, 4)), np.ones((5, 4))
    net.forward(x)
    twin = again(net)
    np.testing.assert_array_equal(twin.backward_delta(x, delta), net.backward_delta(x, delta))
    np.testing.assert_array_equal(twin.forward(x), net.forward(x))
    twin.forward(x)  # its count is its own
    assert twin.storage.draws[0] == net.storage.draws[0] + 1


# Settings


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Dropout(1.0), ValueError, "Dropout: p is 1.0, expected a probability from 0 up to 1, without 1"),
        (lambda: Dropout(-0.1), ValueError, "Dropout: p is -0.1, expected a probability from 0 up to 1, without 1"),
        (lambda: Dropout(math.nan), ValueError, "Dropout: p is nan, expected a probability from 0 up to 1, without 1"),
        (lambda: Dropout("half"), TypeError, "Dropout: p is 'half', expected a probability from 0 up to 1, without 1"),
        (lambda: GaussianNoise(-1), ValueError, "GaussianNoise: sigma is -1, expected a number that is not negative"),
        (lambda: GaussianNoise(math.inf), ValueError, "GaussianNoise: sigma is inf, expected a number that is not negative"),
        (lambda: Dropout(0.5, rng="x"), TypeError, "Dropout: rng is 'x', expected an int, a numpy.random.Generator or None"),
    ],
)
def test_hostile_arguments_are_refused_in_one_line(make, error, words):
    assert message(error, make) == words


def test_settings_can_be_changed_and_a_wrong_one_leaves_the_old():
    drop, noise = Dropout(0.5, rng=0), GaussianNoise(1.0, rng=0)
    with pytest.raises(ValueError, match="p is 1"):
        drop.p = 1
    with pytest.raises(ValueError, match="sigma is -1"):
        noise.sigma = -1
    assert (drop.p, noise.sigma) == (0.5, 1.0)
    drop.p, noise.sigma = 0.25, 0
    assert set(np.unique(drop.forward(np.ones((20, 20))))) == {0.0, 4 / 3}
    np.testing.assert_array_equal(noise.forward([[3.0]]), [[3.0]])
    assert (repr(drop), repr(noise)) == ("Dropout(0.25)", "GaussianNoise(0)")
