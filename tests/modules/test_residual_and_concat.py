"""Residual and Concat, and containers inside each other: compiled, and with plain classes among their modules."""


import numpy as np
import pytest
from helpers import MatrixLinear, PassThrough, assert_derivative, assert_derivatives, message

import modnet
from modnet import (
    MSE,
    BatchNorm,
    Concat,
    CrossEntropy,
    Dropout,
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
from modnet.optim import Adam

GIVE = "its modules must give as many features as they take"

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
        (lambda: Residual(Linear(3, 2, rng=0)), f"Residual: it adds 3 features and 2; {GIVE}"),
        (
            lambda: Sequential(Linear(4, 3, rng=0), Residual(Tanh(), Linear(3, 2, rng=0))),
            f"Residual: it adds 3 features and 2; {GIVE}",
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
            "Concat[1] Linear(5 -> 2): takes 5 features, but Concat[0][1] Linear(4 -> 3), which reads the same input, takes 4",
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
    assert net[2:].parameters.size == b.parameters.size


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


class Forgetful:
    """A module that answers for its last forward only, as many do that students write."""

    def forward(self, X):
        self.last = np.array(X)
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(self.last) ** 2)


def student_network():
    return Sequential(
        MatrixLinear(3, 3, 0),
        Residual(MatrixLinear(3, 3, 1), Forgetful(), Linear(3, 3, rng=0)),
        Concat(MatrixLinear(3, 2, 2), Sequential(Forgetful(), BatchNorm(3)), Residual(Forgetful())),
        Linear(8, 2, rng=1),
    )


def test_plain_classes_work_at_every_depth():
    net = student_network()
    rng = np.random.default_rng(0)
    x, delta = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    net.forward(rng.normal(size=(5, 3)))
    net.zero_grad()
    net.backward_update_gradient(x, delta)  # not the input of the last forward
    dx = net.backward_delta(x, delta)
    theirs = [net[0], net[1][0], net[2][0]]
    arrays = [(x, dx), (net.parameters, net.gradient.copy()), *((m._parameters, m._gradient) for m in theirs)]
    for array, gradient in arrays:
        assert_derivative(lambda: net.forward(x), array, delta, gradient, rng)
    before = [m._parameters.copy() for m in theirs]
    net.update_parameters(0.1)
    for module, old in zip(theirs, before, strict=True):
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


def test_an_error_of_a_plain_class_says_at_which_place_it_arose():
    class Broken(PassThrough):
        def forward(self, X):
            raise KeyError("oops")

    with pytest.raises(KeyError) as raised:
        Sequential(Identity(), Concat(Identity(), Residual(Broken()))).forward(np.ones((3, 2)))
    assert raised.value.__notes__ == ["in Sequential[1][1][0] Broken, forward with an input of shape (3, 2)"]

    class Later(PassThrough):
        def backward_delta(self, input, delta):
            raise KeyError("oops")

    net = Sequential(Residual(Identity(), Later()))
    net.forward(np.ones((3, 2)))
    with pytest.raises(KeyError) as raised:
        net.backward(np.ones((3, 2)), np.ones((3, 2)))
    assert raised.value.__notes__ == ["in Sequential[0][1] Later, backward with an input of shape (3, 2)"]


def test_the_shape_of_a_wrong_input_is_reported_with_the_whole_place():
    net = Sequential(Identity(), Concat(Identity(), Residual(Linear(3, 3, rng=0))))
    words = "Sequential[1][1][0] Linear(3 -> 3): input has shape (7, 2), expected (batch, 3)"
    assert message(ValueError, lambda: net.forward(np.ones((7, 2)))) == words
    net = Sequential(PassThrough(), Concat(Identity(), Residual(Linear(3, 3, rng=0))))
    assert message(ValueError, lambda: net.forward(np.ones((7, 2)))) == words


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
        "Residual: it shares modules with the rest of its network, so its parameters are not one piece; "
        "take the whole network's, or each module's"
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
    words = "Residual: it belongs to a network; call astype on the outermost network"
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
        f"Sequential[0] Residual: it adds 2 features and 3; {GIVE}"
    )
    assert len(net[0]) == 2
    assert net.forward(np.ones((1, 2))).shape == (1, 5)
    assert message(TypeError, lambda: net[1].append(Linear)).startswith("Concat[2]: got the class Linear, expected an object")


def test_a_module_that_belongs_to_another_network_is_refused_at_any_depth():
    net = deep()
    words = "already belongs to another network; use copy.deepcopy to get an independent one"
    for build, place in (
        (lambda: Sequential(Tanh(), net[0]), "Sequential[1] Linear(3 -> 3)"),
        (lambda: Sequential(Tanh(), net[1]), "Sequential[1] Dropout(0.5)"),
        (lambda: Concat(Identity(), Residual(net[2][1][1])), "Concat[1] PReLU(0.25)"),
    ):
        assert message(ValueError, build().forward, np.ones((1, 3))) == f"{place}: {words}"
    assert net[0].root() is net


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
    rows = Sequential(PassThrough(), Concat(PassThrough(), MatrixLinear(2, 3))).summary(2).rows
    assert rows == [
        ("[0]", "PassThrough", "(batch, 2)", 0),
        ("[1]", "Concat", "(batch, 5)", 0),
        ("[1][0]", "PassThrough", "(batch, 2)", 0),
        ("[1][1]", "MatrixLinear", "(batch, 3)", 6),
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
