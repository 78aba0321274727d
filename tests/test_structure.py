"""Reshape, Transpose, Embedding, Residual, Concat and Tied, alone and inside each other, in a table and in Python."""

import copy
import math
import pickle

import numpy as np
import pytest

import modnet
from modnet import (
    MSE,
    BatchNorm,
    Concat,
    CrossEntropy,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    Linear,
    PReLU,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    Tied,
    Transpose,
)
from modnet.modules.container import Container
from modnet.optim import SGD, Adam


class PassThrough:
    """The least that is a module: beside the library's it makes the network walk in Python."""

    def forward(self, X):
        return X

    def backward_delta(self, input, delta):
        return delta


class StudentLinear:
    """A layer as the handout has it: numpy alone, _parameters a matrix, _gradient None until zero_grad."""

    def __init__(self, n, m, seed):
        self._parameters = np.random.default_rng(seed).normal(size=(n, m))
        self._gradient = None

    def zero_grad(self):
        self._gradient = np.zeros(self._parameters.shape)

    def forward(self, X):
        return X @ self._parameters

    def update_parameters(self, gradient_step=1e-3):
        self._parameters = self._parameters - gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        self._gradient = self._gradient + input.reshape(-1, input.shape[-1]).T @ delta.reshape(-1, delta.shape[-1])

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


class Forgetful:
    """A module that answers for its last forward only, as many do that students write."""

    def forward(self, X):
        self.last = np.array(X)
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(self.last) ** 2)


def central(f, array, delta, directions=6, seed=0, h=1e-5):
    """Pairs of (derivative of sum(delta * f()) along a direction, the direction)."""
    rng = np.random.default_rng(seed)
    for _ in range(directions):
        v = rng.normal(size=array.shape)
        before, values = array.copy(), []
        for step in (h, -h):
            array[...] = before + step * v
            values.append(float(np.sum(delta * f())))
        array[...] = before
        yield (values[0] - values[1]) / (2 * h), v


def assert_derivatives(net, x, seed=0):
    """Backward of a network against central differences of its forward, by the input and by its flat parameters."""
    delta = np.random.default_rng(seed).normal(size=net.forward(x).shape)
    net.zero_grad()
    net.backward_update_gradient(x, delta)
    dx = net.backward_delta(x, delta)
    for want, v in central(lambda: net.forward(x), x, delta):
        assert np.sum(dx * v) == pytest.approx(want, rel=1e-7, abs=1e-7)
    for want, v in central(lambda: net.forward(x), net.parameters, delta):
        assert np.sum(net.gradient * v) == pytest.approx(want, rel=1e-7, abs=1e-7)
    once = net.gradient.copy()
    net.zero_grad()
    np.testing.assert_allclose(net.backward(x, delta), dx, rtol=1e-13)
    np.testing.assert_allclose(net.gradient, once, rtol=1e-13)


def message(error, call):
    with pytest.raises(error) as raised:
        call()
    text = str(raised.value)
    assert "\n" not in text
    return text


# Reshape


@pytest.mark.parametrize(
    ("module", "shape", "after"),
    [
        (Reshape(2, 3), (4, 6), (4, 2, 3)),
        (Reshape(3, -1), (2, 2, 6), (2, 3, 4)),
        (Reshape(-1), (1, 5, 2), (1, 10)),
        (Reshape(-1, 1), (3, 5), (3, 5, 1)),
        (Reshape((2, 2)), (2, 4), (2, 2, 2)),
        (Reshape(), (3, 1), (3,)),
    ],
    ids=str,
)
def test_reshape_keeps_the_numbers_in_their_order(module, shape, after):
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(module.forward(x), x.reshape(after))
    np.testing.assert_array_equal(module.forward(np.asfortranarray(x)), x.reshape(after))
    np.testing.assert_array_equal(module.backward_delta(x, x.reshape(after)), x)
    assert not np.shares_memory(module.forward(x), x)


def test_a_reshape_is_no_row_of_a_table():
    net = Sequential(Reshape(2, -1), Linear(3, 2, rng=0), Flatten(), Reshape(4, 1))
    table, shape = net.table((6,))
    assert len(table.rows) == 1
    assert shape == (4, 1)
    assert_derivatives(net, np.random.default_rng(0).normal(size=(3, 6)))


SIZES = "expected sizes of at least 1, or -1 for one that is left open"
AXES = "expected each of 0 to 1 once: the axes of one example"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Reshape(-1, -1), ValueError, "Reshape: shape is (-1, -1), expected -1 at most once"),
        (lambda: Reshape(0), ValueError, "Reshape: shape is (0,), " + SIZES),
        (lambda: Reshape(-2), ValueError, "Reshape: shape is (-2,), " + SIZES),
        (lambda: Reshape(2.0), TypeError, "Reshape: shape is (2.0,), expected whole numbers"),
        (
            lambda: Reshape(2, 3).forward(np.ones((4, 5))),
            ValueError,
            "Reshape(2, 3): input has shape (4, 5), expected 6 numbers an example",
        ),
        (
            lambda: Sequential(Identity(), Reshape(4, -1)).forward(np.ones((1, 2, 3))),
            ValueError,
            "Sequential[1] Reshape(4, -1): input has shape (1, 2, 3), expected a multiple of 4 numbers an example",
        ),
        (lambda: Transpose(0, 0), ValueError, "Transpose: axes are (0, 0), " + AXES),
        (lambda: Transpose(1, 2), ValueError, "Transpose: axes are (1, 2), " + AXES),
        (lambda: Transpose(1.0, 0), TypeError, "Transpose: axes are (1.0, 0), expected whole numbers"),
        (
            lambda: Transpose(1, 0).forward(np.ones((2, 3))),
            ValueError,
            "Transpose(1, 0): input has shape (2, 3), expected 2 axes after the batch",
        ),
    ],
)
def test_hostile_shapes_and_axes_are_refused(call, error, words):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == words


# Transpose


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ((1, 0), (3, 2, 5)),
        ((0, 1), (3, 2, 5)),
        ((2, 0, 1), (2, 3, 4, 5)),
        ((1, 2, 0), (2, 3, 4, 5)),
        ((0, 2, 1), (1, 2, 3, 4)),
        ((3, 1, 0, 2), (2, 2, 3, 4, 5)),
        ((4, 3, 2, 1, 0), (1, 2, 1, 3, 1, 2)),
        ((0,), (4, 3)),
        ((), (2, 3, 4)),
        ((), (5,)),
    ],
    ids=str,
)
def test_transpose_is_numpys_on_each_example(axes, shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    order = axes or tuple(range(len(shape) - 2, -1, -1))
    want = np.transpose(x, (0, *(a + 1 for a in order)))
    module = Transpose(*axes)
    np.testing.assert_array_equal(module.forward(x), want)
    delta = rng.normal(size=want.shape)
    back = np.transpose(delta, (0, *(1 + order.index(a) for a in range(len(order)))))
    np.testing.assert_array_equal(module.backward_delta(x, delta), back)
    if shape[1:]:
        net = Sequential(Linear(shape[-1], shape[-1], rng=0), module, Tanh())
        np.testing.assert_array_equal(net.forward(x), Tanh().forward(module.forward(net[0].forward(x))))
        assert_derivatives(net, x)


# Embedding


def test_embedding_is_a_linear_on_one_hot_rows():
    rng = np.random.default_rng(0)
    table, layer = Embedding(5, 3, rng=1), Linear(5, 3, bias=False, rng=2)
    layer.weight = table.weight
    x = rng.integers(0, 5, (4, 6))
    delta = rng.normal(size=(4, 6, 3))
    hot = np.eye(5)[x]
    np.testing.assert_allclose(table.forward(x), layer.forward(hot), rtol=1e-15)
    for _ in range(2):  # a number that comes often, and a second time
        table.backward_update_gradient(x, delta)
        layer.backward_update_gradient(hot, delta)
        np.testing.assert_allclose(table.weight_gradient, layer.weight_gradient, rtol=1e-13, atol=1e-13)


def test_embedding_takes_any_axes_and_whole_floats():
    table = Embedding(4, 2, rng=0)
    assert table.forward(np.array([3, 0])).shape == (2, 2)
    assert table.forward(np.zeros((2, 3, 4), int)).shape == (2, 3, 4, 2)
    for dtype in (np.int8, np.uint64, np.float32, np.float64, np.bool_):
        np.testing.assert_array_equal(table.forward(np.array([[1, 0]], dtype)), table.weight[None, [1, 0]])


def test_embedding_is_drawn_from_the_standard_normal():
    weight = Embedding(200, 100, rng=0).weight
    assert abs(weight.mean()) < 4 / math.sqrt(weight.size)
    assert weight.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(weight, Embedding(200, 100, rng=np.random.default_rng(0)).weight)


WRONG = [(5, "5"), (-1, "-1"), (1.5, "1.5"), (np.nan, "nan"), (np.inf, "inf"), (2**40, "1.09951e+12")]


@pytest.mark.parametrize(("value", "text"), WRONG, ids=str)
@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
def test_a_number_outside_the_table_is_refused_everywhere_and_nothing_moves(value, text, plain):
    net = Sequential(Flatten(), Embedding(5, 2, rng=0), *[PassThrough()] * plain, Flatten(), Linear(6, 2, rng=1))
    X = np.array([[0, 1, 2], [4, 3, value], [1, 1, 1]])
    good = np.array([[0, 1, 2]] * 3)
    end = f"Embedding(5, 2): input holds {text}, expected whole numbers 0 to 4"
    assert message(ValueError, lambda: net[1].forward(X)) == end
    assert message(ValueError, lambda: net[1].backward_update_gradient(X, np.ones((3, 3, 2)))) == end
    place = "" if plain else "Sequential[1] "  # in Python it is in the error's notes
    assert message(ValueError, lambda: net.forward(X)) == place + end
    assert message(ValueError, lambda: modnet.predict(net, X)) == place + end
    if np.isfinite(value):  # fit refuses the others before any module sees them
        before = net.parameters.copy()
        options = {"loss": CrossEntropy(), "optimizer": SGD(0.1), "epochs": 1, "batch_size": 3}
        fit = "" if plain else "fit: "
        assert message(ValueError, lambda: modnet.fit(net, X, [0, 1, 1], **options)) == fit + place + end
        np.testing.assert_array_equal(net.parameters, before)
        if not plain:
            words = message(ValueError, lambda: modnet.fit(net, good, [0, 1, 1], validation=(X, [0, 1, 1]), **options))
            assert words == "fit: validation: " + place + end
            np.testing.assert_array_equal(net.parameters, before)


def test_integers_have_no_derivative_and_asking_for_it_is_an_error():
    words = (
        "backward_delta is asked for, but its input is whole numbers, which have no derivative; "
        "expected backward_update_gradient alone"
    )
    table = Embedding(3, 2, rng=0)
    x, delta = np.array([[0, 2]]), np.ones((1, 2, 2))
    assert message(ValueError, lambda: table.backward_delta(x, delta)) == f"Embedding(3, 2): {words}"
    for plain in (False, True):
        net = Sequential(Concat(Embedding(3, 2, rng=0), Embedding(3, 1, rng=1)), *[PassThrough()] * plain)
        deltas = np.ones((1, 2, 3))
        for call in (net.backward_delta, net.backward):
            assert message(ValueError, lambda c=call, d=deltas: c(x, d)) == f"Sequential[0] Embedding(3, 2): {words}"
        np.testing.assert_array_equal(net.gradient, 0)
        net.backward_update_gradient(x, deltas)
        np.testing.assert_array_equal(net[0][0].weight_gradient, [[1, 1], [0, 0], [1, 1]])


def test_embedding_reads_the_networks_own_input():
    net = Sequential(Linear(3, 3, rng=0), Embedding(4, 2, rng=1))
    words = "Sequential[1] Embedding(4, 2): modules before it change its input, expected the network's own input, whole numbers"
    assert message(ValueError, lambda: net.forward(np.ones((2, 3)))) == words


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "python"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_with_an_embedding_learns_which_word_counts(plain, dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 8, (120, 5))
    y = (X == 3).any(axis=1).astype(int)
    net = Sequential(
        Reshape(5), Embedding(8, 4, rng=1), *[PassThrough()] * plain, Tanh(), Flatten(), Linear(20, 2, rng=2)
    ).astype(dtype)
    history = modnet.fit(net, X, y, loss=CrossEntropy(), optimizer=Adam(0.02), epochs=60, rng=0)
    assert history.metrics["accuracy"][-1] > 0.98
    assert net[1].weight.dtype == dtype


def test_embedding_arguments():
    assert message(ValueError, lambda: Embedding(0, 2)) == "Embedding: count is 0, expected at least 1"
    assert message(TypeError, lambda: Embedding(3, 2.5)) == "Embedding: features is 2.5, expected a whole number"
    assert "expected at most 16777216, as far as a float32 counts" in message(ValueError, lambda: Embedding(2**24 + 1, 1))


# Residual


def test_residual_adds_its_input():
    rng = np.random.default_rng(0)
    f = Linear(3, 3, rng=0)
    block = Residual(f, Tanh())
    x, delta = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    inner = np.tanh(x @ f.weight + f.bias)
    np.testing.assert_allclose(block.forward(x), x + inner, rtol=1e-14)
    np.testing.assert_allclose(block.backward_delta(x, delta), delta + (delta * (1 - inner**2)) @ f.weight.T, rtol=1e-13)


def test_delta_reaches_the_input_through_blocks_that_compute_nothing():
    blocks = [Residual(Linear(2, 2, rng=i), Tanh(), Linear(2, 2, rng=9)) for i in range(30)]
    net = Sequential(blocks)
    net.parameters[:] = 0
    delta = np.array([[3.0, -1.0]])
    np.testing.assert_array_equal(net.backward_delta([[5.0, 7.0]], delta), delta)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Residual(), "Residual: got no modules, expected at least one"),
        (lambda: Residual([]), "Residual: got no modules, expected at least one"),
        (lambda: Concat(), "Concat: got no branches, expected at least one"),
        (lambda: Residual(Linear(3, 2, rng=0)), "Residual: its modules take 3 features and give 2, expected as many"),
        (
            lambda: Sequential(Linear(4, 3, rng=0), Residual(Tanh(), Linear(3, 2, rng=0))),
            "Residual: its modules take 3 features and give 2, expected as many",
        ),
        (
            lambda: Sequential(Linear(4, 3, rng=0), Residual(Tanh(), Linear(4, 4, rng=0))),
            "Sequential[1][1] Linear(4 -> 4): takes 4 features, but Sequential[0] Linear(4 -> 3) gives 3",
        ),
        (
            lambda: Sequential(Linear(4, 3, rng=0), Residual(Tanh()), Linear(2, 2, rng=0)),
            "Sequential[2] Linear(2 -> 2): takes 2 features, but Sequential[1] Residual gives 3",
        ),
        (
            lambda: Sequential(Concat(Linear(4, 3, rng=0), Linear(4, 2, rng=0)), Linear(6, 2, rng=0)),
            "Sequential[1] Linear(6 -> 2): takes 6 features, but Sequential[0] Concat gives 5",
        ),
        (
            lambda: Concat(Sequential(Tanh(), Linear(4, 3, rng=0)), Linear(5, 2, rng=0)),
            "Concat[1] Linear(5 -> 2): takes 5 features, but the input of Concat[0] gives 4",
        ),
        (
            lambda: Sequential(Linear(2, 3, rng=0), Concat(Identity(), Linear(2, 2, rng=0))),
            "Sequential[1][1] Linear(2 -> 2): takes 2 features, but Sequential[0] Linear(2 -> 3) gives 3",
        ),
    ],
)
def test_sizes_that_cannot_meet_are_refused_when_the_network_is_built(call, words):
    assert message(ValueError, call) == words


@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
def test_shapes_that_do_not_meet_are_refused_at_the_first_forward(plain):
    odd = [PassThrough()] * plain
    net = Sequential(Identity(), Residual(Flatten(), *odd))
    words = "Sequential[1] Residual: input has shape (4, 2, 3), expected the shape that its modules give, (batch, 6)"
    assert message(ValueError, lambda: net.forward(np.ones((4, 2, 3)))).replace("(batch, 2, 3)", "(4, 2, 3)") == words
    assert net.forward(np.ones((4, 3))).shape == (4, 3)
    net = Sequential(Concat(Flatten(), Identity(), *odd))
    words = message(ValueError, lambda: net.forward(np.ones((4, 2, 3)))).replace("(batch, 2, 3), e", "(4, 2, 3), e")
    assert words == (
        "Sequential[0] Concat: input has shape (4, 2, 3), expected one for which its branches differ on the last axis only, "
        "not (batch, 6) and (batch, 2, 3)"
    )


# Concat


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (2, 5, 3), (2, 3, 2, 3)], ids=str)
def test_concat_puts_branches_side_by_side_on_the_last_axis(shape):
    rng = np.random.default_rng(0)
    a, b, tanh = Linear(3, 2, rng=0), Linear(3, 4, rng=1), Tanh()
    net = Concat(a, Identity(), Sequential(b, tanh))
    x = rng.normal(size=shape)
    np.testing.assert_array_equal(net.forward(x), np.concatenate([a.forward(x), x, tanh.forward(b.forward(x))], axis=-1))
    assert_derivatives(net, x)
    assert isinstance(net[1:], Concat)
    np.testing.assert_array_equal(net[1:].forward(x), net.forward(x)[..., 2:])
    assert net[2:].parameters.size == b.parameter_count


def test_each_branch_is_given_its_own_columns_of_delta():
    net = Concat(Linear(1, 1, rng=0), Linear(1, 2, rng=1))
    net.backward_update_gradient([[1.0]], [[10.0, 20.0, 30.0]])
    np.testing.assert_array_equal(net[0].bias_gradient, [10])
    np.testing.assert_array_equal(net[1].bias_gradient, [20, 30])


# Inside each other

NETWORKS = {
    "residual in residual": (
        lambda p: Residual(Linear(3, 3, rng=0), Residual(Tanh(), *p, Residual(Linear(3, 3, rng=1))), Tanh()),
        (4, 3),
    ),
    "concat in concat": (
        lambda p: Sequential(
            Concat(Concat(Linear(3, 2, rng=0), Sequential(*p, Tanh())), Identity(), Concat(Identity(), Linear(3, 1, rng=1))),
            Linear(12, 2, rng=2),
        ),
        (4, 3),
    ),
    "the input read by everybody": (
        lambda p: Residual(
            Sequential(Concat(Identity(), Identity(), *p), Linear(6 + 3 * len(p), 3, rng=0)), Residual(Identity())
        ),
        (2, 4, 3),
    ),
    "a module in every branch and again behind": (
        lambda p: (lambda w: Sequential(w, Concat(w, Residual(*p, Tanh(), w)), Linear(6, 3, rng=1), Tanh(), w))(
            Linear(3, 3, rng=0)
        ),
        (5, 3),
    ),
    "a container at two places": (
        lambda p: (lambda c: Sequential(c, Linear(3, 3, rng=3), c))(Residual(Linear(3, 3, rng=0), *p, PReLU(0.3))),
        (5, 3),
    ),
    "shapes changed inside": (
        lambda p: Residual(
            Transpose(1, 0), Linear(2, 2, rng=0), Transpose(1, 0), *p,
            Residual(Flatten(), Linear(6, 6, rng=1), Reshape(2, 3)), LayerNorm(3),
        ),
        (4, 2, 3),
    ),
    "an auto-encoder with its weights tied": (
        lambda p: (lambda a, b: Sequential(Sequential(a, Tanh(), b), *p, Sequential(Tied(b), Tanh(), Tied(a), Sigmoid())))(
            Linear(5, 4, rng=0), Linear(4, 2, rng=1, bias=False)
        ),
        (6, 5),
    ),
    "tied weights in branches": (
        lambda p: (lambda a: Residual(a, Concat(Tied(a), Sequential(*p, Tied(a), Tanh())), Linear(8, 4, rng=1)))(
            Linear(4, 3, rng=0)
        ),
        (3, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
@pytest.mark.parametrize("name", NETWORKS)
def test_containers_inside_each_other_have_the_derivatives_of_their_forward(name, plain):
    make, shape = NETWORKS[name]
    net = make([PassThrough()] * plain)
    assert net.compiled is not plain
    net.parameters[:] += 0.1 * np.random.default_rng(2).normal(size=net.parameters.size)
    assert_derivatives(net, np.random.default_rng(3).normal(size=shape))


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "the input read by everybody"])
def test_the_walk_in_python_gives_what_the_table_gives(name):
    make, shape = NETWORKS[name]
    compiled, python = make([]), make([PassThrough()])
    rng = np.random.default_rng(4)
    x = rng.normal(size=shape)
    delta = rng.normal(size=compiled.forward(x).shape)
    np.testing.assert_array_equal(compiled.forward(x), python.forward(x))
    np.testing.assert_allclose(compiled.backward(x, delta), python.backward(x, delta), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(compiled.gradient, python.gradient, rtol=1e-13, atol=1e-15)
    assert compiled.output_shape(shape[1:]) == python.output_shape(shape[1:]) == delta.shape[1:]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "the input read by everybody"])
def test_both_paths_of_fit_leave_the_same_parameters(name, dtype):
    make, shape = NETWORKS[name]
    rng = np.random.default_rng(5)
    X = rng.normal(size=(37, *shape[1:]))
    found = []
    for plain in ([], [PassThrough()]):
        net = make(plain).astype(dtype)
        y = np.zeros((37, *net.output_shape(shape[1:]))) + 0.5
        history = modnet.fit(net, X, y, loss=MSE(), optimizer=Adam(0.01), epochs=3, batch_size=8, rng=1)
        assert history.loss[-1] < history.loss[0]
        assert net.parameters.dtype == net.forward(X.astype(dtype)).dtype == dtype
        found.append(net.parameters.copy())
    # Sums of three or more branches may be added up in another order.
    np.testing.assert_allclose(*found, rtol=1e-3 if dtype is np.float32 else 1e-10, atol=1e-6 if dtype is np.float32 else 1e-13)


def test_float32_in_gives_float32_out_of_a_network_without_parameters():
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    for plain in ([], [PassThrough()]):
        net = Sequential(Residual(Tanh(), *plain), Concat(Identity(), Softmax(), *plain))
        assert net.forward(x).dtype == np.float32
        assert net.backward_delta(x, net.forward(x)).dtype == np.float32


# Students' modules inside


def student_network():
    return Sequential(
        StudentLinear(3, 3, 0),
        Residual(StudentLinear(3, 3, 1), Forgetful(), Linear(3, 3, rng=0)),
        Concat(StudentLinear(3, 2, 2), Sequential(Forgetful(), BatchNorm(3)), Residual(Forgetful())),
        Linear(8, 2, rng=1),
    )


def test_plain_classes_work_at_every_depth():
    net = student_network()
    assert not net.compiled
    rng = np.random.default_rng(0)
    x, delta = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    net.forward(rng.normal(size=(5, 3)))
    net.zero_grad()
    norm = net[2][1][1]
    norm._hyper[0] = 2
    net.backward_update_gradient(x, delta)  # not the input of the last forward
    dx = net.backward_delta(x, delta)
    for want, v in central(lambda: net.forward(x), x, delta):
        assert np.sum(dx * v) == pytest.approx(want, rel=1e-6)
    for module in (net[0], net[1][0], net[2][0]):
        for want, v in central(lambda: net.forward(x), module._parameters, delta):
            assert np.sum(module._gradient * v) == pytest.approx(want, rel=1e-6)
    for want, v in central(lambda: net.forward(x), net.parameters, delta):
        assert np.sum(net.gradient * v) == pytest.approx(want, rel=1e-6)
    before = [m._parameters.copy() for m in (net[0], net[1][0], net[2][0])]
    net.update_parameters(0.1)
    for module, old in zip((net[0], net[1][0], net[2][0]), before, strict=True):
        np.testing.assert_array_equal(module._parameters, old - 0.1 * module._gradient)


def test_a_network_with_plain_classes_trains():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    net = student_network()
    start = [m._parameters.copy() for m in (net[0], net[1][0], net[2][0])]
    history = modnet.fit(net, X, (X[:, 0] > 0).astype(int), loss=CrossEntropy(), optimizer=Adam(0.02), epochs=15, rng=0)
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert all((m._parameters != old).any() for m, old in zip((net[0], net[1][0], net[2][0]), start, strict=True))


@pytest.mark.parametrize("wrap", [lambda m: Sequential(m), lambda m: Residual(m), lambda m: Concat(Identity(), m)])
def test_what_a_plain_class_returns_is_checked(wrap):
    class Wrong(PassThrough):
        def forward(self, X):
            return X[:1] if len(X) > 1 else None

    net = wrap(Wrong())
    i = len(net) - 1
    who = f"{type(net).__name__}[{i}] Wrong: forward returned"
    assert message(ValueError, lambda: net.forward(np.ones((3, 2)))) == f"{who} shape (1, 2), expected an array (3, ...)"
    assert message(ValueError, lambda: net.forward(np.ones((1, 2)))) == f"{who} None, expected an array (1, ...)"


def test_an_error_of_a_plain_class_says_where_it_stands():
    class Broken(PassThrough):
        def forward(self, X):
            raise KeyError("oops")

    with pytest.raises(KeyError) as raised:
        Sequential(Identity(), Concat(Identity(), Residual(Broken()))).forward(np.ones((3, 2)))
    assert raised.value.__notes__ == [
        "in Residual[0] Broken, forward with an input of shape (3, 2)",
        "in Concat[1] Residual, forward with an input of shape (3, 2)",
        "in Sequential[1] Concat, forward with an input of shape (3, 2)",
    ]


def test_the_shape_of_a_wrong_input_is_reported_with_the_whole_place():
    net = Sequential(Identity(), Concat(Identity(), Residual(Linear(3, 3, rng=0))))
    words = "Sequential[1][1][0] Linear(3 -> 3): input has shape (7, 2), expected (batch, 3)"
    assert message(ValueError, lambda: net.forward(np.ones((7, 2)))) == words
    net = Sequential(PassThrough(), Concat(Identity(), Residual(Linear(3, 3, rng=0))))
    assert message(ValueError, lambda: net.forward(np.ones((7, 2)))) == words


# Tied


def test_tied_is_the_weight_transposed_with_a_bias_of_its_own():
    rng = np.random.default_rng(0)
    linear = Linear(5, 3, rng=0)
    tied = Tied(linear)
    tied.bias = rng.normal(size=5)
    x, delta = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 5))
    np.testing.assert_allclose(tied.forward(x), x @ linear.weight.T + tied.bias, rtol=1e-13)
    np.testing.assert_allclose(tied.backward_delta(x, delta), delta @ linear.weight, rtol=1e-13)
    tied.backward_update_gradient(x, delta)
    want = sum(np.outer(d, v) for v, d in zip(x.reshape(-1, 3), delta.reshape(-1, 5), strict=True))
    np.testing.assert_allclose(linear.weight_gradient, want, rtol=1e-12)
    np.testing.assert_array_equal(linear.bias_gradient, 0)
    np.testing.assert_allclose(tied.bias_gradient, delta.sum(axis=(0, 1)), rtol=1e-13)
    assert np.shares_memory(tied.weight, linear.weight)
    assert (tied.weight.shape, tied.parameters.size, list(tied.named_parameters())) == ((3, 5), 5, ["bias"])
    np.testing.assert_array_equal(Tied(linear).bias, 0)


def test_the_gradient_of_a_tied_weight_adds_up_from_both_uses():
    rng = np.random.default_rng(0)
    encoder = Linear(4, 2, rng=0)
    net = Sequential(encoder, Tied(encoder))
    x, delta = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    net.backward_update_gradient(x, delta)
    h = encoder.forward(x)
    first = x.T @ (delta @ encoder.weight)  # as an encoder
    second = delta.T @ h  # as a decoder
    np.testing.assert_allclose(encoder.weight_gradient, first + second, rtol=1e-12)
    assert net.parameters.size == 4 * 2 + 2 + 4


def test_untying_gives_the_two_halves_of_the_gradient():
    rng = np.random.default_rng(1)
    a, b = Linear(4, 2, rng=0), Linear(2, 4, rng=1)
    tied = Sequential(a, Tanh(), Tied(a))
    tied.parameters[-4:] = b.bias
    loose = Sequential(copy.deepcopy(a), Tanh(), b)
    loose[2].weight = a.weight.T
    x, delta = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    np.testing.assert_allclose(tied.forward(x), loose.forward(x), rtol=1e-13)
    tied.backward_update_gradient(x, delta)
    loose.backward_update_gradient(x, delta)
    np.testing.assert_allclose(a.weight_gradient, loose[0].weight_gradient + loose[2].weight_gradient.T, rtol=1e-12)


def autoencoder():
    encoder = Sequential(Linear(6, 3, rng=0), Tanh())
    decoder = Sequential(Tied(encoder[0]), Sigmoid())
    return encoder, decoder


def test_a_decoder_without_its_encoder_computes_but_is_not_trained():
    encoder, decoder = autoencoder()
    codes = np.random.default_rng(0).normal(size=(5, 3))
    want = 1 / (1 + np.exp(-(codes @ encoder[0].weight.T)))
    assert not decoder.compiled
    np.testing.assert_allclose(decoder.forward(codes), want, rtol=1e-12)
    encoder[0].weight *= 2  # its weight is not in the decoder's own vector, and still seen
    want = 1 / (1 + np.exp(-(codes @ encoder[0].weight.T)))
    dx = decoder.backward_delta(codes, np.ones((5, 6)))  # of a forward of its own: the last one had other weights
    np.testing.assert_allclose(dx, (want * (1 - want)) @ encoder[0].weight, rtol=1e-11)
    np.testing.assert_allclose(decoder.forward(codes), want, rtol=1e-12)
    words = (
        "Sequential[0] Tied(3 -> 6): Linear(6 -> 3) stands outside this network and would not be trained, "
        "expected both in one network"
    )
    before = encoder.gradient.copy()
    for call in (decoder.backward_update_gradient, decoder.backward):
        assert message(ValueError, lambda call=call: call(codes, np.ones((5, 6)))) == words
    np.testing.assert_array_equal(encoder.gradient, before)
    text = ": Tied(3 -> 6) has its weight from Linear(6 -> 3), which stands outside this network, expected both in it"
    assert message(ValueError, lambda: Adam().attach(decoder)).endswith(text)
    assert message(ValueError, lambda: modnet.fit(decoder, codes, want, loss=MSE(), optimizer=Adam())).endswith(text)
    net = Sequential(encoder, decoder)
    assert net.compiled
    assert decoder.compiled
    assert_derivatives(net, np.random.default_rng(1).normal(size=(4, 6)))
    np.testing.assert_allclose(decoder.forward(codes), want, rtol=1e-12)


def test_a_decoder_inside_its_network_is_a_part_like_any_other():
    encoder, decoder = autoencoder()
    net = Sequential(encoder, decoder)
    x = np.random.default_rng(0).normal(size=(5, 6))
    np.testing.assert_array_equal(decoder.forward(encoder.forward(x)), net.forward(x))
    np.testing.assert_array_equal(net[1:].forward(encoder.forward(x)), net.forward(x))
    with pytest.raises(ValueError, match="stands outside this network"):
        Adam().attach(decoder)


def test_an_autoencoder_with_tied_weights_learns_on_both_paths():
    rng = np.random.default_rng(0)
    X = rng.uniform(0.2, 0.8, (80, 2)) @ np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1.0]])
    found = []
    for plain in ([], [PassThrough()]):
        encoder, decoder = autoencoder()
        net = Sequential(encoder, *plain, decoder)
        history = modnet.fit(net, X, X, loss=MSE(), optimizer=Adam(0.05), epochs=60, rng=0)
        assert history.loss[-1] < 0.1 * history.loss[0]
        found.append(net.parameters.copy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_of_a_tied_network_is_tied_to_its_own(again):
    net = Sequential(*autoencoder())
    twin = again(net)
    assert twin[1][0].linear is twin[0][0]
    assert twin[1][0].linear is not net[0][0]
    x = np.random.default_rng(0).normal(size=(5, 6))
    np.testing.assert_array_equal(twin.forward(x), net.forward(x))
    twin[0][0].weight[...] = 0
    np.testing.assert_array_equal(twin.forward(x), 0.5 + 0 * x)
    assert_derivatives(again(net), x)


def test_tied_arguments_and_types():
    assert message(TypeError, lambda: Tied(3)) == "Tied: linear is 3, expected a Linear object"
    assert message(TypeError, lambda: Tied(Linear)).startswith("Tied: linear is <class")
    linear = Linear(4, 2, rng=0).astype("float32")
    tied = Tied(linear)
    assert tied.dtype == np.float32
    assert tied.forward(np.ones((1, 2), np.float32)).dtype == np.float32
    assert tied.astype("float64").linear.dtype == np.float64
    Sequential(linear).astype("float32")
    words = "Tied(2 -> 4): it holds float64, but Linear(4 -> 2) float32, expected one type; use astype"
    assert message(ValueError, lambda: tied.forward(np.ones((1, 2)))) == words
    words = "Tied(2 -> 4): input has shape (1, 4), expected (batch, 2)"
    assert message(ValueError, lambda: Tied(Linear(4, 2, rng=0)).forward(np.ones((1, 4)))) == words


# What every container does


def deep():
    shared = Linear(3, 3, rng=0)
    return Sequential(
        shared,
        Residual(Sequential(Dropout(0.5, rng=1), BatchNorm(3)), Tanh(), shared),
        Concat(Linear(3, 2, rng=2), Sequential(Dropout(0.2, rng=3), PReLU()), Residual(Residual(ReLU()))),
        Flatten(),
        Linear(8, 2, rng=4),
    )


def test_one_flat_vector_holds_every_depths_parameters():
    net = deep()
    sizes = [12, 6, 8, 1, 18]
    assert net.parameters.size == sum(sizes)
    assert list(net.named_parameters())[:6] == [
        "0.weight", "0.bias", "1.0.1.weight", "1.0.1.bias", "1.2.weight", "1.2.bias"
    ]  # fmt: skip
    for array in net.named_parameters().values():
        assert np.shares_memory(array, net.parameters)
    net.parameters[:] = np.arange(45)
    np.testing.assert_array_equal(net[1][0][1].weight, [12, 13, 14])
    np.testing.assert_array_equal(net[2][1][1].weight, [26])
    np.testing.assert_array_equal(net[2].parameters, np.arange(18, 27))
    np.testing.assert_array_equal(net[1].parameters, np.arange(18))  # with the one it shares
    assert net[1].root() is net
    assert net[2][2][0].root() is net
    assert [type(c).__name__ for c in net.containers()] == [
        "Residual", "Sequential", "Concat", "Sequential", "Residual", "Residual"
    ]  # fmt: skip


def test_a_part_whose_parameters_are_not_one_piece_says_so():
    shared = Linear(3, 3, rng=0)
    net = Sequential(shared, Linear(3, 3, rng=1), Residual(BatchNorm(3), shared))
    words = (
        "Residual: it shares modules with the rest of the network it stands in, so its parameters are not one piece; "
        "take those of the whole network, or of each module"
    )
    assert message(ValueError, lambda: net[2].parameters) == words
    net.parameters[:], net.gradient[:] = 0, 1
    net[2].update_parameters(0.5)
    np.testing.assert_array_equal(net.parameters, [-0.5] * 12 + [0] * 12 + [-0.5] * 6)
    net[2].zero_grad()
    np.testing.assert_array_equal(net.gradient, [0] * 12 + [1] * 12 + [0] * 6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_types_are_changed_at_every_depth(dtype):
    net = deep().astype(dtype)
    assert {a.dtype for a in net.named_parameters().values()} == {np.dtype(dtype)}
    assert net[1][0][1].running_var.dtype == dtype
    out = net.forward(np.ones((4, 3)))
    assert out.dtype == dtype
    words = "Residual: it stands in a network, expected astype on the outermost network"
    assert message(ValueError, lambda: net[1].astype("float32")) == words


def test_modes_reach_every_depth_and_predict_puts_them_back():
    net = deep()
    flags = [m for m in (*net.leaves(), *net.containers()) if hasattr(m, "training")]
    assert net.eval() is net
    assert not any(m.training for m in flags)
    assert net.train() is net
    assert all(m.training for m in flags)
    net[1].eval()
    before = [m.training for m in flags]
    modnet.predict(net, np.ones((3, 3)))
    assert [m.training for m in flags] == before


def test_zero_grad_and_update_parameters_reach_every_depth_once():
    net = deep()
    x = np.random.default_rng(0).normal(size=(4, 3))
    net.backward_update_gradient(x, np.ones((4, 2)))
    before, slope = net.parameters.copy(), net.gradient.copy()
    assert slope.any()
    net.update_parameters(0.5)
    np.testing.assert_array_equal(net.parameters, before - 0.5 * slope)
    before = net.parameters.copy()
    net[1].update_parameters(0.5)  # its first module is shared with the network, and moved once
    moved = before - net.parameters
    np.testing.assert_allclose(moved, np.where(np.arange(45) < 18, 0.5 * slope, 0), atol=1e-15)
    net[2].zero_grad()
    np.testing.assert_array_equal(net.gradient[18:27], 0)
    assert net.gradient[:18].any()
    net.zero_grad()
    assert not net.gradient.any()


def test_append_reaches_the_outermost_network():
    net = Sequential(Residual(Linear(2, 2, rng=0)), Concat(Identity()))
    net[0].append(Linear(2, 2, rng=1))
    net[1].append(Linear(2, 3, rng=2))
    assert net.parameters.size == 6 + 6 + 9
    assert net.forward(np.ones((1, 2))).shape == (1, 5)
    assert message(ValueError, lambda: net[0].append(Linear(2, 3, rng=3))) == (
        "Sequential[0] Residual: its modules take 2 features and give 3, expected as many"
    )
    assert len(net[0]) == 2
    around = Sequential(net)
    for container in (net, net[0], net[1], around):
        size = len(container)
        for around_itself in (container, around):
            words = message(ValueError, lambda c=container, m=around_itself: c.append(m))
            assert words.startswith(type(container).__name__)
            assert "expected " in words
            assert len(container) == size
    assert net.forward(np.ones((1, 2))).shape == (1, 5)
    assert message(TypeError, lambda: net[1].append(Linear)).startswith("Concat[2]: got the class Linear, expected an object")


def test_a_module_that_stands_in_another_network_is_refused_at_any_depth():
    net = deep()
    words = "it stands in another network already, expected a module of its own; copy.deepcopy makes one"
    assert message(ValueError, lambda: Sequential(Tanh(), net[0])) == f"Sequential[1] Linear(3 -> 3): {words}"
    assert message(ValueError, lambda: Sequential(Tanh(), net[1])) == f"Sequential[1] Dropout(0.5): {words}"
    with pytest.raises(ValueError, match=r"Concat\[1\] PReLU\(0.25\): it stands in another network already"):
        Concat(Identity(), net[2][1][1])
    assert net[0].root() is net


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("kind", [Sequential, Residual, Concat])
def test_a_copy_is_whole_and_its_own(kind, again):
    net = kind(Linear(3, 3, rng=0), Concat(Residual(Tanh())), Residual(BatchNorm(3)))
    x = np.random.default_rng(0).normal(size=(5, 3))
    net.forward(x)
    twin = again(net)
    assert type(twin) is kind
    assert repr(twin) == repr(net)
    assert twin[2].root() is twin
    assert twin[2][0].root() is twin
    delta = np.ones(twin.forward(x).shape)
    np.testing.assert_array_equal(twin.backward(x, delta), net.backward(x, delta))
    np.testing.assert_array_equal(twin.gradient, net.gradient)
    twin.parameters[:] = 0
    assert net.parameters.any()
    part = again(net[1:] if kind is not Residual else net[1])
    assert part.forward(x).shape[0] == 5


def test_a_summary_shows_containers_with_the_shape_they_give():
    net = Sequential(
        Linear(4, 3, rng=0),
        Residual(Sequential(Tanh()), Linear(3, 3, rng=1)),
        Concat(Linear(3, 2, rng=2), Residual(Identity())),
        Reshape(5, 1),
    )
    assert str(net.summary(4)).splitlines() == [
        "place      module          output shape   parameters",
        "---------  --------------  -------------  ----------",
        "[0]        Linear(4 -> 3)  (batch, 3)             15",
        "[1]        Residual        (batch, 3)              0",
        "[1][0][0]  Tanh()          (batch, 3)              0",
        "[1][1]     Linear(3 -> 3)  (batch, 3)             12",
        "[2]        Concat          (batch, 5)              0",
        "[2][0]     Linear(3 -> 2)  (batch, 2)              8",
        "[2][1]     Residual        (batch, 3)              0",
        "[2][1][0]  Identity()      (batch, 3)              0",
        "[3]        Reshape(5, 1)   (batch, 5, 1)           0",
        "35 parameters, float64",
    ]
    assert net.summary().total == 35
    with pytest.raises(ValueError, match=r"Sequential\[0\] Linear\(4 -> 3\): input has shape \(batch, 5\)"):
        net.summary(5)
    assert "<td" in net._repr_html_()
    rows = Sequential(PassThrough(), Concat(PassThrough(), StudentLinear(2, 3, 0))).summary(2).rows
    assert rows == [
        ("[0]", "PassThrough", "(batch, 2)", 0),
        ("[1]", "Concat", "(batch, 5)", 0),
        ("[1][0]", "PassThrough", "(batch, 2)", 0),
        ("[1][1]", "StudentLinear", "(batch, 3)", 6),
    ]


def test_repr_nests():
    net = Concat(Linear(2, 3, rng=0), Residual(Tanh(), PassThrough()))
    assert repr(net) == (
        "Concat(\n  [0] Linear(2 -> 3)\n  [1] Residual(\n    [0] Tanh()\n    [1] PassThrough\n  )\n)"
    )


def test_containers_take_a_list_as_well():
    assert len(Residual([Tanh(), ReLU()])) == 2
    assert len(Concat([Tanh(), ReLU()])) == 2
    assert isinstance(Residual(Tanh(), ReLU())[:1], Sequential)
    assert not isinstance(Residual(Tanh(), ReLU())[:1], Residual)
    assert all(issubclass(kind, Container) for kind in (Sequential, Residual, Concat))


def test_a_residual_can_be_the_network_that_is_trained():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    for net in (Residual(Linear(2, 8, rng=0), Tanh(), Linear(8, 2, rng=1)), Concat(Linear(2, 1, rng=0), Linear(2, 1, rng=1))):
        history = modnet.fit(net, X, X[:, ::-1].copy(), loss=MSE(), optimizer=Adam(0.03), epochs=40, rng=0)
        assert history.loss[-1] < 0.2 * history.loss[0]
