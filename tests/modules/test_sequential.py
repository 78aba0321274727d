"""Sequential: the chain, its one flat vector, its types, modes and summary."""

import copy
import re

import numpy as np
import pytest
from helpers import (
    DictLinear,
    MatrixLinear,
    PassThrough,
    StudentModule,
    StudentTanh,
    assert_derivative,
    layouts,
    message,
    on_smooth_input,
    student_arrays,
)
from networks import LINEARS, all_arrays, assert_all_equal, data, every_network, gradients, mixed, nested, ours

import modnet
from modnet import Dropout, Flatten, Identity, Linear, ReLU, Residual, Sequential, Softmax, Tanh, predict
from modnet.optim import SGD

# The chain


def test_varargs_a_list_a_tuple_and_append_build_the_same():
    x, _ = data()
    want = ours().forward(x)
    appended = Sequential()
    for module in list(ours()):
        assert appended.append(module) is appended
    for net in (Sequential(list(ours())), Sequential(tuple(ours())), appended, Sequential(ours()), copy.deepcopy(ours())):
        np.testing.assert_array_equal(net.forward(x), want)
        assert net.parameters.size == ours().parameters.size
        np.testing.assert_array_equal(net.parameters, ours().parameters)


def test_length_indices_and_iteration():
    modules = [Linear(3, 4, rng=0), Tanh(), StudentTanh(), Linear(4, 1, rng=1)]
    net = Sequential(modules)
    assert len(net) == 4
    assert list(net) == modules
    assert net[0] is modules[0]
    assert net[-1] is modules[3]
    with pytest.raises(IndexError):
        net[4]


def test_the_list_given_stays_the_callers():
    modules = [Linear(3, 4, rng=0), Tanh()]
    net = Sequential(modules)
    modules.append(ReLU())
    assert len(net) == 2
    net.append(Identity())
    assert len(modules) == 3


def test_an_empty_network_changes_nothing():
    x, _ = data()
    net = Sequential()
    np.testing.assert_array_equal(net.forward(x), x)
    np.testing.assert_array_equal(net.backward(x, 2 * x), 2 * x)
    assert net.parameters.size == 0
    assert repr(net) == "Sequential()"


def test_one_activation_may_be_used_at_many_places_and_in_many_networks():
    x, _ = data()
    tanh = Tanh()
    first, second = Sequential(tanh, Linear(3, 3, rng=0), tanh), Sequential(tanh)
    np.testing.assert_array_equal(second.forward(x), tanh.forward(x))
    np.testing.assert_array_equal(first.forward(x), tanh.forward(first[1].forward(tanh.forward(x))))


@every_network
def test_forward_is_the_modules_one_after_the_other(make):
    x, _ = data()
    net = make()
    out = x
    for module in make():
        out = module.forward(out)
    np.testing.assert_array_equal(net.forward(x), out)
    np.testing.assert_array_equal(net(x), out)
    np.testing.assert_array_equal(predict(net, x, batch_size=len(x)), out)


@every_network
def test_backward_is_the_derivative_by_every_parameter_and_by_the_input(make):
    def check(rng):
        net, (x, delta) = make(), data(seed=int(rng.integers(1000)))
        gradients(net, x, delta)
        for array, gradient in all_arrays(net):
            assert_derivative(lambda: net.forward(x), array, delta, np.array(gradient), rng)
        assert_derivative(lambda: net.forward(x), x, delta, net.backward_delta(x, delta), rng)

    on_smooth_input(check)


@every_network
def test_backward_is_both_calls_in_one(make):
    net, (x, delta) = make(), data()
    want = gradients(net, x, delta)
    dx = net.backward_delta(x, delta)
    net.zero_grad()
    np.testing.assert_array_equal(net.backward(x, delta), dx)
    assert_all_equal([gradient for _, gradient in all_arrays(net)], want)


@every_network
def test_gradients_add_up_until_zero_grad(make):
    net, (x, delta) = make(), data()
    want = gradients(net, x, delta)
    net.backward(x, delta)
    for (_, gradient), once in zip(all_arrays(net), want, strict=True):
        np.testing.assert_allclose(gradient, 2 * once, rtol=1e-12, atol=1e-15)
    net.zero_grad()
    assert not any(np.any(gradient) for _, gradient in all_arrays(net))


@every_network
def test_calls_may_come_in_any_order_any_number_of_times(make):
    net, (x, delta), (other, other_delta) = make(), data(), data(7, seed=5)
    want, dx, out = gradients(net, x, delta), make().backward_delta(x, delta), make().forward(x)
    np.testing.assert_array_equal(net.forward(other), make().forward(other))
    assert_all_equal(gradients(net, x, delta), want)
    np.testing.assert_array_equal(net.backward_delta(x, delta), dx)
    net.forward(x)
    net.backward_delta(other, other_delta)
    np.testing.assert_array_equal(net.backward_delta(x, delta), dx)
    assert_all_equal(gradients(net, x, delta), want)
    assert_all_equal(gradients(net, x, delta), want)
    np.testing.assert_array_equal(net.forward(x), out)
    net.forward(x[:2])
    np.testing.assert_array_equal(net.backward_delta(x, delta), dx)


@every_network
def test_an_input_changed_in_place_after_forward_is_seen(make):
    net, (x, delta) = make(), data()
    given = x.copy()
    net.forward(given)
    given[1] *= -2
    changed = given.copy()
    want, dx = gradients(make(), changed, delta), make().backward_delta(changed, delta)
    assert_all_equal(gradients(net, given, delta), want)
    np.testing.assert_array_equal(net.backward_delta(given, delta), dx)


@every_network
def test_parameters_written_in_place_after_forward_are_seen(make):
    net, fresh, (x, delta) = make(), make(), data()
    for place in range(len(all_arrays(net))):
        net.forward(x)
        for each in (net, fresh):
            array = all_arrays(each)[place][0]
            array *= 1.5
            array.flat[-1] += 0.25
        again = copy.deepcopy(fresh)
        assert_all_equal(gradients(net, x, delta), gradients(again, x, delta))
        net.forward(x)
    np.testing.assert_array_equal(net.forward(x), fresh.forward(x))


@every_network
def test_parameters_moved_through_the_library_after_forward_are_seen(make):
    net, fresh, (x, delta) = make(), make(), data()
    for each in (net, fresh):
        each.zero_grad()
    for each in (net, fresh):
        each.forward(x)
        each.backward(x, delta)
        each.update_parameters(0.1)
    np.testing.assert_array_equal(net.backward_delta(x, delta), copy.deepcopy(fresh).backward_delta(x, delta))
    optimizer = SGD(0.1).attach(net)
    net.forward(x)
    optimizer.step()
    np.testing.assert_array_equal(net.backward_delta(x, delta), copy.deepcopy(net).backward_delta(x, delta))


def test_a_setting_changed_after_forward_is_seen():
    x, delta = data(outputs=3)
    net = Sequential(modnet.LeakyReLU(0.1))
    net.forward(x)
    net[0].slope = 0.5
    np.testing.assert_array_equal(net.backward_delta(x, delta), delta * np.where(x > 0, 1, 0.5))


@every_network
def test_input_and_delta_are_never_written_to(make):
    net, (x, delta) = make(), data()
    want = net.forward(x), make().backward_delta(x, delta)
    x.flags.writeable = delta.flags.writeable = False
    net.zero_grad()
    np.testing.assert_array_equal(net.forward(x), want[0])
    np.testing.assert_array_equal(net.backward(x, delta), want[1])
    given = data()
    np.testing.assert_array_equal(x, given[0])
    np.testing.assert_array_equal(delta, given[1])


@every_network
def test_what_is_returned_belongs_to_the_caller(make):
    net, (x, delta) = make(), data()
    net.zero_grad()
    out, dx = net.forward(x), net.backward(x, delta)
    kept = out.copy(), dx.copy()
    net.forward(2 * x)
    net.backward(2 * x, delta)
    np.testing.assert_array_equal(out, kept[0])
    np.testing.assert_array_equal(dx, kept[1])
    out[:], dx[:] = 0, 0
    np.testing.assert_array_equal(net.forward(x), kept[0])
    np.testing.assert_array_equal(net.backward_delta(x, delta), kept[1])


@every_network
def test_every_layout_of_the_same_numbers_gives_the_same(make):
    net, (x, delta) = make(), data()
    want = net.forward(x), gradients(net, x, delta), net.backward_delta(x, delta)
    deltas = layouts(delta)
    for name, given in layouts(x).items():
        np.testing.assert_array_equal(net.forward(given), want[0])
        assert_all_equal(gradients(net, given, deltas[name]), want[1])
        np.testing.assert_array_equal(net.backward_delta(given, deltas[name]), want[2])
    whole = np.rint(3 * x)
    np.testing.assert_array_equal(net.forward(whole.astype(np.int32)), net.forward(whole))


def test_images_flow_through_flatten():
    rng = np.random.default_rng(0)
    x, delta = rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 5))
    net = Sequential(Tanh(), Flatten(), Linear(8, 5, rng=0))
    np.testing.assert_allclose(net.forward(x), net[2].forward(np.tanh(x).reshape(3, 8)), rtol=1e-12)
    assert_derivative(lambda: net.forward(x), x, delta, net.backward_delta(x, delta), rng)
    assert net.backward_delta(x, delta).shape == x.shape


def test_a_network_takes_several_shapes_in_turn():
    net = Sequential(Linear(3, 2, rng=0), Tanh())
    rng = np.random.default_rng(0)
    for shape in ((4, 3), (2, 5, 3), (1, 3), (2, 2, 2, 3), (4, 3)) * 3:
        x = rng.normal(size=shape)
        np.testing.assert_allclose(net.forward(x), np.tanh(x @ net[0].weight + net[0].bias), rtol=1e-13, atol=1e-15)
    for width in range(1, 30):  # more than the tables a network keeps
        assert Sequential(Softmax()).forward(np.ones((2, width))).shape == (2, width)
        np.testing.assert_array_equal(net.forward(np.ones((2, width, 3))).shape, (2, width, 2))


def test_deltas_are_not_asked_of_the_first_module_for_the_gradient_alone():
    class Last(StudentModule):
        def forward(self, X):
            return X

        def backward_delta(self, input, delta):
            raise AssertionError("nobody needs it")

    x, delta = data(outputs=2)
    net = Sequential(Last(), Linear(3, 2, rng=0))
    net.backward_update_gradient(x, delta)
    assert net.gradient.any()


# One flat vector


def test_every_parameter_is_a_view_of_one_vector_in_the_order_of_the_modules():
    net = nested()
    leaves = [module for module in net.leaves() if isinstance(module, Linear)]
    at = 0
    for module in leaves:
        for name in ("weight", "bias"):
            array, gradient = getattr(module, name), getattr(module, name + "_gradient")
            np.testing.assert_array_equal(net.parameters[at : at + array.size].reshape(array.shape), array)
            assert np.shares_memory(net.parameters[at : at + array.size], array)
            assert np.shares_memory(net.gradient[at : at + array.size], gradient)
            at += array.size
    assert at == net.parameters.size == net.gradient.size
    assert net.parameters.flags.c_contiguous
    assert net.parameters.base is net[0].parameters.base


def test_writing_the_flat_vector_writes_the_modules_and_the_reverse():
    x, _ = data()
    net = nested()
    net.parameters[:] = 0
    assert not net[0][0].weight.any()
    np.testing.assert_array_equal(net.forward(x), np.zeros((4, 2)))
    net[1][1].bias[:] = 7
    assert (net.parameters == 7).sum() == 2
    np.testing.assert_array_equal(net.forward(x), np.full((4, 2), 7.0))
    net._parameters = np.arange(net.parameters.size)
    np.testing.assert_array_equal(net[0][0].weight.ravel(), np.arange(15))


def test_building_and_appending_keep_the_numbers():
    layer = Linear(3, 4, rng=0)
    layer.gradient[:] = np.arange(16)
    parameters, gradient = layer.parameters.copy(), layer.gradient.copy()
    net = Sequential(Sequential(layer))
    net.append(Linear(4, 2, rng=1))
    np.testing.assert_array_equal(layer.parameters, parameters)
    np.testing.assert_array_equal(layer.gradient, gradient)
    np.testing.assert_array_equal(net.parameters[:16], parameters)
    np.testing.assert_array_equal(net.parameters[16:], net[1].parameters)


def test_appending_inside_a_network_reaches_the_outermost():
    x, _ = data()
    net = Sequential(Sequential(Linear(3, 4, rng=0)), Tanh())
    net[0].append(Linear(4, 5, rng=1))
    assert net.parameters.size == 16 + 25
    assert net.forward(x).shape == (4, 5)
    assert np.shares_memory(net[0][1].weight, net.parameters)


def test_the_views_of_a_nested_network_are_a_piece_of_the_whole():
    net = nested()
    inner = net[1]
    np.testing.assert_array_equal(inner.parameters, net.parameters[20:])
    assert np.shares_memory(inner.parameters, net.parameters)
    net.gradient[:] = 1
    inner.zero_grad()
    np.testing.assert_array_equal(net.gradient, [1] * 20 + [0] * (net.parameters.size - 20))


def test_a_nested_network_works_alone_too():
    (x, _), (h, delta) = data(), data(features=5)
    net = nested()
    np.testing.assert_array_equal(net[1].forward(net[0].forward(x)), net.forward(x))
    net.zero_grad()
    net[1].backward_update_gradient(h, delta)
    assert not net.gradient[:20].any()
    assert net.gradient[20:].any()


def in_two_nested(a, b):
    net = Sequential(Sequential(a), Sequential(b))
    net[1].append(a)
    return net


SHARED = {
    "side by side": lambda a, b: Sequential(a, Tanh(), a),
    "with another between": lambda a, b: Sequential(a, b, a),
    "nested and not": lambda a, b: Sequential(Sequential(Sequential(a), Tanh()), b, a),
    "in two nested": in_two_nested,
    "a network twice": lambda a, b: Sequential(s := Sequential(a, Tanh(), b), s),
    "three times among students": lambda a, b: Sequential(a, StudentTanh(), a, b, Tanh(), a),
}


@pytest.mark.parametrize("make", SHARED.values(), ids=SHARED)
def test_a_module_in_two_places_has_one_slice_and_gradients_that_add_up(make):
    net = make(Linear(3, 3, rng=0), Linear(3, 3, rng=1))
    x, delta = data(outputs=3)
    assert net.parameters.size == 12 * len({id(m) for m in net.leaves() if isinstance(m, Linear)})
    want = gradients(net, x, delta)[0]
    assert_derivative(lambda: net.forward(x), net.parameters, delta, want, np.random.default_rng(0))
    before = net.parameters.copy()
    net.update_parameters(0.1)
    np.testing.assert_allclose(net.parameters, before - 0.1 * want, rtol=1e-14)  # once
    net.zero_grad()
    np.testing.assert_array_equal(net.backward(x, delta), net.backward_delta(x, delta))


@pytest.mark.parametrize("linear", LINEARS)
def test_a_students_module_in_two_places_moves_once(linear):
    shared = linear(3, 3, 0)
    net = Sequential(shared, Tanh(), shared)
    x, delta = data(outputs=3)
    gradients(net, x, delta)
    for array, gradient in all_arrays(net)[: len(student_arrays(shared))]:
        assert_derivative(lambda: net.forward(x), array, delta, np.array(gradient), np.random.default_rng(0))
    for move in (lambda: net.update_parameters(0.1), SGD(0.1).attach(net).step):
        before = [array.copy() for array, _ in student_arrays(shared).values()]
        move()
        for (array, gradient), old in zip(student_arrays(shared).values(), before, strict=True):
            np.testing.assert_allclose(array, old - 0.1 * gradient, rtol=1e-13)


def test_parameters_of_a_part_that_shares_with_the_rest_are_refused_where_they_are_not_one_piece():
    a, b, c = (Linear(3, 3, rng=seed) for seed in range(3))
    net = Sequential(a, b, Sequential(c))
    net[2].append(a)
    assert message(ValueError, getattr, net[2], "parameters") == (
        "Sequential: it shares modules with the rest of its network, so its parameters are not one piece; "
        "take the whole network's, or each module's"
    )
    x, delta = data(outputs=3)
    net.zero_grad()
    net[2].backward_update_gradient(x, delta)
    assert a.gradient.any()
    assert not b.gradient.any()
    before = net.parameters.copy()
    net[2].update_parameters(0.5)
    np.testing.assert_array_equal(net.parameters, before - 0.5 * net.gradient)
    net[2].zero_grad()
    assert not net.gradient.any()


# Types and modes



@pytest.mark.parametrize("make", [ours, nested, mixed], ids=["ours", "nested", "mixed"])
def test_astype_converts_the_whole_network_in_place(make):
    net, (x, delta) = make(), data()
    out = net.forward(x)
    assert net.dtype == np.float64
    assert net.astype("float32") is net
    assert net.dtype == net.parameters.dtype == net.gradient.dtype == np.float32
    for module in net.leaves():
        if isinstance(module, Linear):
            assert module.weight.dtype == module.weight_gradient.dtype == np.float32
            assert np.shares_memory(module.weight, net.parameters)
    np.testing.assert_allclose(net.forward(x), out, rtol=1e-4, atol=1e-6)
    net.zero_grad()
    net.backward(x, delta)
    assert net.gradient.any()
    np.testing.assert_allclose(net.astype(np.float64).forward(x), out, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [ours, lambda: Sequential(ReLU(), Softmax())], ids=["with parameters", "without"])
def test_float32_in_gives_float32_out(make):
    net = make().astype("float32")
    x = data()[0].astype(np.float32)
    out = net.forward(x)
    assert out.dtype == net.backward(x, out).dtype == np.float32
    assert predict(net, x).dtype == np.float32


@pytest.mark.parametrize("make", [lambda: Sequential(PassThrough()), lambda: Sequential(ReLU(), PassThrough(), Tanh())])
def test_plain_classes_without_parameters_leave_float32_as_it_is(make):
    x = data()[0].astype(np.float32)
    out = make().forward(x)
    assert out.dtype == make().backward(x, out).dtype == np.float32
    assert make().forward(data()[0]).dtype == np.float64


def test_the_mode_reaches_every_depth():
    class Watching(PassThrough):
        training = True

        def train(self):
            self.training = True

        def eval(self):
            self.training = False

    watching, flagged = Watching(), PassThrough()
    flagged.training = True
    net = Sequential(Sequential(Sequential(Dropout(0.5), watching), Residual(flagged)), PassThrough())
    everything = [net, net[0], net[0][0], net[0][0][0], net[0][1], watching, flagged]

    def set_it(value):
        net.training = value
        return net

    for to_evaluation, to_training in ((net.eval, net.train), (lambda: set_it(False), lambda: set_it(True))):
        assert to_evaluation() is net
        assert [module.training for module in everything] == [False] * 7
        assert to_training() is net
        assert [module.training for module in everything] == [True] * 7
    net[0].training = False
    assert [module.training for module in everything] == [True] + [False] * 6
    net[0][0][0].training = True
    assert [module.training for module in everything] == [True, False, False, True, False, False, False]


def test_a_network_in_evaluation_keeps_nothing_of_a_forward_and_answers_alike():
    x, delta = data()
    net = Sequential(Linear(3, 4, rng=0), Dropout(0.5, rng=1), Linear(4, 2, rng=2)).eval()
    np.testing.assert_array_equal(net.forward(x), predict(net, x))
    np.testing.assert_array_equal(net.forward(x), net.forward(x))
    np.testing.assert_allclose(net.backward_delta(x, delta), delta @ net[2].weight.T @ net[0].weight.T, rtol=1e-12)


def test_named_parameters_say_at_which_place_an_array_is():
    inner = Sequential(Tanh(), Linear(3, 1, bias=False, rng=1))
    net = Sequential(Linear(2, 3, rng=0), inner, DictLinear(1, 2), MatrixLinear(2, 2))
    named = net.named_parameters()
    assert list(named) == ["0.weight", "0.bias", "1.1.weight", "2.W", "2.b", "3.parameters"]
    assert named["1.1.weight"].shape == (3, 1)
    assert np.shares_memory(named["0.bias"], net.parameters)
    assert named["2.b"] is net[2]._parameters["b"]


# For people


def test_summary_is_a_table_of_shapes_and_parameters():
    shared = Linear(4, 4, rng=0)
    net = Sequential(Linear(3, 4, rng=1), Sequential(Tanh(), shared), shared, MatrixLinear(4, 2), StudentTanh(), Flatten())
    assert str(net.summary(3)).splitlines() == [
        "place   module                  output shape  parameters",
        "------  ----------------------  ------------  ----------",
        "[0]     Linear(3 -> 4)          (batch, 4)            16",
        "[1][0]  Tanh()                  (batch, 4)             0",
        "[1][1]  Linear(4 -> 4)          (batch, 4)            20",
        "[2]     Linear(4 -> 4) (again)  (batch, 4)             0",
        "[3]     MatrixLinear            (batch, 2)             8",
        "[4]     StudentTanh             (batch, 2)             0",
        "[5]     Flatten()               (batch, 2)             0",
        "44 parameters, float64",
    ]
    assert repr(net.summary(3)) == str(net.summary(3))


@pytest.mark.parametrize("shape", [3, np.int64(3), (3,), [3]], ids=repr)
def test_summary_takes_a_size_or_a_shape(shape):
    assert "(batch, 4)" in str(Sequential(Linear(3, 4, rng=0)).summary(shape))
    assert "(batch, 5, 4)" in str(Sequential(Linear(3, 4, rng=0)).summary((5, 3)))


def test_summary_without_a_shape_leaves_shapes_out():
    text = str(Sequential(Linear(1, 1, bias=False, rng=0)).summary())
    assert text.splitlines()[2].split() == ["[0]", "Linear(1", "->", "1,", "bias=False)", "1"]
    assert text.endswith("1 parameter, float64")


def test_summary_says_where_a_shape_does_not_fit():
    net = Sequential(Tanh(), Sequential(Linear(3, 4, rng=0)))
    text = message(ValueError, net.summary, (5,))
    assert text == "Sequential[1][0] Linear(3 -> 4): input has shape (batch, 5), expected (batch, 3)"


def test_summary_of_the_data_itself_says_what_to_write():
    net, data = Sequential(Linear(3, 4, rng=0)), np.zeros((5, 3))
    text = message(TypeError, net.summary, data)
    assert text.endswith("expected the shape of one example, an int or a tuple; of data X it is X.shape[1:]")
    assert "(batch, 4)" in str(net.summary(data.shape[1:]))
    assert message(TypeError, net.summary, "3").startswith("Sequential.summary: input_shape is '3', expected the shape of one")


def test_summary_is_html_in_a_notebook():
    class Odd(StudentTanh):
        def __repr__(self):
            return "<Odd & more>"

    html = Sequential(Linear(3, 4, rng=0), Odd()).summary(3)._repr_html_()
    assert html.startswith("<table>")
    assert html.endswith("</table>")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells[:4] == ["[0]", "Linear(3 -&gt; 4)", "(batch, 4)", "16"]
    assert cells[4:8] == ["[1]", "&lt;Odd &amp; more&gt;", "(batch, 4)", "0"]
    assert cells[8:] == ["16 parameters, float64"]
    assert "Linear(3 -&gt; 4)" in Sequential(Linear(3, 4, rng=0))._repr_html_()


def test_repr_shows_the_modules_at_their_places():
    net = Sequential(Linear(3, 4, rng=0), Sequential(Tanh(), StudentTanh()))
    assert repr(net) == str(net) == (
        "Sequential(\n  [0] Linear(3 -> 4)\n  [1] Sequential(\n    [0] Tanh()\n    [1] StudentTanh\n  )\n)"
    )


@pytest.mark.parametrize(
    ("index", "error"),
    [(1.5, TypeError), ("a", TypeError), (None, TypeError), (np.array([0, 1]), TypeError), (slice("a", None), TypeError),
     (slice(None, None, 0), ValueError), (3, IndexError), (-4, IndexError), (np.int64(3), IndexError), (10**30, IndexError)],
)  # fmt: skip
def test_an_index_that_is_none_is_told_how_many_modules_there_are(index, error):
    net = Sequential(Linear(3, 3), Tanh(), Linear(3, 2))
    calls = [lambda: net[index], lambda: net.pop(index), lambda: net.__delitem__(index), lambda: net.__setitem__(index, Tanh())]
    for call in calls[:1] if isinstance(index, slice) else calls:
        text = message(error, call)
        assert re.match(r"Sequential: (there is no \[.*\]|index is .*, expected .*); it has 3 modules, the last is \[2\]$", text)
    if error is not IndexError:  # a place past the end is the end, as for a list
        assert message(TypeError, net.insert, index, Tanh()).startswith("Sequential: index is ")
    assert message(IndexError, Sequential().pop) == "Sequential: there is no [-1]; it has 0 modules"


def test_an_index_may_be_any_whole_number():
    net = Sequential(Linear(3, 3), Tanh())
    assert net[np.int64(1)] is net[-1] is net[np.array(1)]
