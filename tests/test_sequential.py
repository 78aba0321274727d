"""Sequential: the chain, its one flat vector, and students' own classes in it."""

import copy
import gc
import pickle
import re

import numpy as np
import pytest
from helpers import (
    STUDENT_LINEARS,
    BiasBeside,
    DictLinear,
    MatrixLinear,
    PassThrough,
    StudentModule,
    StudentTanh,
    VectorLinear,
    assert_derivative,
    layouts,
    message,
    on_smooth_input,
    student_arrays,
)

import modnet
from modnet import MSE, Flatten, Identity, Linear, Module, ReLU, Sequential, Softmax, Tanh, fit, predict
from modnet.discovery import all_optimizers
from modnet.optim import SGD, Adam

OPTIMIZERS = [
    pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in all_optimizers() for i in range(len(kind.examples()))
]


class Derived(Module):
    """A student's class that derives from the library's Module and writes only what is its own."""

    def __init__(self, n, m, seed=0):
        self._parameters = np.random.default_rng(seed).uniform(-1, 1, (n, m))

    def forward(self, X):
        return X @ self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


LINEARS = [*STUDENT_LINEARS, Derived]


def data(n=4, features=3, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.normal(size=(n, outputs))


def ours():
    return Sequential(Linear(3, 5, rng=0), Tanh(), Linear(5, 4, bias=False, rng=1), ReLU(), Linear(4, 2, rng=2))


def mixed(linear=DictLinear):
    """Ours and a student's, taking turns."""
    return Sequential(Linear(3, 5, rng=0), StudentTanh(), linear(5, 4, 1), Tanh(), linear(4, 3, 2), Linear(3, 2, rng=3))


def students(linear=DictLinear):
    return Sequential(linear(3, 5, 0), StudentTanh(), linear(5, 2, 1))


def nested_among_students():
    return Sequential(StudentTanh(), Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 2, rng=1)))


def nested():
    return Sequential(Sequential(Linear(3, 5, rng=0), Tanh()), Sequential(Sequential(Linear(5, 4, rng=1)), Linear(4, 2, rng=2)))


NETWORKS = {
    "ours": ours,
    "nested": nested,
    "nested students": lambda: Sequential(Sequential(VectorLinear(3, 5), Tanh()), Linear(5, 2, rng=1)),
    "nested ours among students": nested_among_students,
    **{f"{linear.__name__} alone": lambda linear=linear: students(linear) for linear in LINEARS},
    **{f"{linear.__name__} mixed": lambda linear=linear: mixed(linear) for linear in LINEARS},
}
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


def all_arrays(net):
    """Every trained array in a network, with its gradient: ours as one vector, students' one by one."""
    found = [(net.parameters, net.gradient)] if net.parameters.size else []
    for module in net.leaves():
        if not isinstance(module, modnet.module.KernelModule):
            found.extend(student_arrays(module).values())
    return found


def gradients(net, x, delta):
    net.zero_grad()
    net.backward_update_gradient(x, delta)
    return [np.array(gradient) for _, gradient in all_arrays(net)]


def assert_all_equal(got, want):
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g, w)


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


def test_one_activation_may_stand_in_many_places_and_networks():
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
        "Sequential: it shares modules with the rest of the network it stands in, so its parameters are not one piece; "
        "take those of the whole network, or of each module"
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


# Slices


@pytest.mark.parametrize("make", [ours, mixed], ids=["ours", "mixed"])
def test_a_slice_is_a_network_that_shares_the_parameters(make):
    net, (x, delta) = make(), data()
    front, back = net[:3], net[3:]
    assert isinstance(front, Sequential)
    assert (len(front), len(back)) == (3, len(net) - 3)
    assert front[1] is net[1]
    np.testing.assert_array_equal(back.forward(front.forward(x)), net.forward(x))
    want, dx = gradients(net, x, delta), net.backward_delta(x, delta)
    net.zero_grad()
    between = back.backward(front.forward(x), delta)
    np.testing.assert_array_equal(front.backward(x, between), dx)
    assert_all_equal([gradient for _, gradient in all_arrays(net)], want)
    assert np.shares_memory(front.parameters, net.parameters)
    np.testing.assert_array_equal(np.concatenate([front.parameters, back.parameters]), net.parameters)
    front.parameters[:] = 0
    assert not net[0].weight.any()
    assert len(net[::2]) == (len(net) + 1) // 2
    assert len(net[1:1]) == 0


def test_a_slice_keeps_its_network_alive():
    part = Sequential(Linear(3, 4, rng=0), Tanh(), Linear(4, 2, rng=1))[:2]
    gc.collect()
    assert part.forward(data()[0]).shape == (4, 4)
    assert part[:1].parameters.size == 16


CHANGES = {
    "append": lambda net: net.append(Linear(2, 2, rng=9)),
    "append inside": lambda net: net[0].append(Linear(4, 4, rng=9)),
    "astype and back": lambda net: net.astype("float32").astype("float64"),
    "astype": lambda net: net.astype("float32"),
    "nesting": lambda net: Sequential(net, Linear(2, 2, rng=9)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_slice_follows_what_becomes_of_its_network(change):
    net = Sequential(Sequential(Linear(3, 4, rng=0), Tanh()), Linear(4, 4, rng=1), Linear(4, 2, rng=2))
    x, delta = data(outputs=4)
    part, tail = net[:2], net[2:]
    deep = part[1:]
    for each in (part, tail, deep):
        each.forward(np.ones((2, 4 if each is not part else 3)))
    outer = change(net)
    gc.collect()
    net.parameters[:] = np.arange(net.parameters.size) / 50
    x = x.astype(net.dtype)
    out = net[0].forward(x)
    np.testing.assert_allclose(part.forward(x), net[1].forward(out), rtol=1e-6)
    np.testing.assert_array_equal(deep.forward(out), net[1].forward(out))
    assert part.dtype == net.dtype
    for each in (part, tail, deep):
        assert np.shares_memory(each.parameters, net.parameters)
    net.zero_grad()
    part.backward_update_gradient(x, delta)
    assert net[1].weight_gradient.any()
    np.testing.assert_array_equal(tail.parameters, net[2].parameters)
    del outer


def test_a_slice_cannot_be_appended_to():
    net = ours()
    part = net[:2]
    assert message(ValueError, part.append, Linear(5, 5, rng=0)) == (
        "Sequential: it is a slice of a network, expected append on the network itself"
    )
    assert len(part) == 2
    assert len(net) == 5


def test_a_slice_is_copied_and_pickled_with_what_it_needs():
    net, (x, _) = ours(), data()
    for part in (net[:3], net[1:][:2]):
        h = x if part[0] is net[0] else net[0].forward(x)
        for twin in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
            np.testing.assert_array_equal(twin.forward(h), part.forward(h))
            assert not np.shares_memory(twin.parameters, net.parameters)


# Copies, types, modes


@every_network
@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"])
def test_a_copy_computes_the_same_and_shares_nothing(make, again):
    net, (x, delta) = make(), data()
    net.forward(x)
    out, want = net.forward(x), gradients(net, x, delta)
    twin = again(net)
    np.testing.assert_array_equal(twin.forward(x), out)
    assert_all_equal(gradients(twin, x, delta), want)
    for (array, gradient), (mine, my_gradient) in zip(all_arrays(twin), all_arrays(net), strict=True):
        assert not np.shares_memory(array, mine)
        assert not np.shares_memory(gradient, my_gradient)
    twin.update_parameters(1.0)
    np.testing.assert_array_equal(net.forward(x), out)
    assert not np.array_equal(twin.forward(x), out)
    twin.append(Linear(2, 2, rng=0))
    assert len(net) + 1 == len(twin)


def test_a_shallow_copy_is_a_view_that_leaves_the_owner_alone():
    net = ours()
    twin = copy.copy(net)
    assert np.shares_memory(twin.parameters, net.parameters)
    del twin
    gc.collect()
    assert net[0].root() is net
    assert "stands in another network" in message(ValueError, Sequential, net[0])


def test_a_copy_of_a_module_in_a_network_stands_alone():
    net = ours()
    twin = copy.deepcopy(net[0])
    np.testing.assert_array_equal(twin.weight, net[0].weight)
    other = Sequential(twin)
    assert other.parameters.size == twin.parameters.size
    twin.weight[:] = 0
    assert net[0].weight.any()


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


def test_train_and_eval_reach_every_depth():
    class Watching(PassThrough):
        training = True

        def train(self):
            self.training = True

        def eval(self):
            self.training = False

    watching = Watching()
    net = Sequential(Sequential(Sequential(Tanh(), watching)), PassThrough())
    everything = [net, net[0], net[0][0], net[0][0][0], watching]
    assert net.eval() is net
    assert [module.training for module in everything] == [False] * 5
    assert net.train() is net
    assert [module.training for module in everything] == [True] * 5


def test_named_parameters_say_where_an_array_stands():
    inner = Sequential(Tanh(), Linear(3, 1, bias=False, rng=1))
    net = Sequential(Linear(2, 3, rng=0), inner, DictLinear(1, 2), MatrixLinear(2, 2))
    named = net.named_parameters()
    assert list(named) == ["0.weight", "0.bias", "1.1.weight", "2.W", "2.b", "3.parameters"]
    assert named["1.1.weight"].shape == (3, 1)
    assert np.shares_memory(named["0.bias"], net.parameters)
    assert named["2.b"] is net[2]._parameters["b"]


# Owners


def test_a_module_stands_in_one_network_only():
    layer = Linear(3, 4, rng=0)
    net = Sequential(Tanh(), layer)
    expected = (
        "Sequential[1] Linear(3 -> 4): it stands in another network already, "
        "expected a module of its own; copy.deepcopy makes one"
    )
    before = net.parameters.copy()
    assert message(ValueError, Sequential, ReLU(), layer) == expected
    other = Sequential(ReLU())
    assert message(ValueError, other.append, layer) == expected
    assert message(ValueError, Sequential, ReLU(), net[1:]) == expected
    assert len(other) == 1
    assert other.parameters.size == 0
    assert layer.root() is net
    assert np.shares_memory(layer.weight, net.parameters)
    np.testing.assert_array_equal(net.parameters, before)
    np.testing.assert_array_equal(Sequential(copy.deepcopy(layer)).forward(np.ones((1, 3))), layer.forward(np.ones((1, 3))))


def test_a_network_nested_in_one_cannot_be_nested_in_another():
    encoder = Sequential(Linear(3, 2, rng=0))
    net = Sequential(encoder, Linear(2, 3, rng=1))
    assert "Sequential[0] Linear(3 -> 2): it stands in another network already" in message(ValueError, Sequential, encoder)
    assert encoder.root() is net


def test_modules_of_a_network_that_is_gone_are_free():
    layer = Linear(3, 4, rng=0)
    net = Sequential(layer)
    weight = layer.weight.copy()
    del net
    gc.collect()
    assert layer.root() is None
    np.testing.assert_array_equal(Sequential(Tanh(), layer)[1].weight, weight)


def test_modules_of_a_network_that_outlived_the_one_around_it_are_still_its_own():
    encoder = Sequential(Sequential(Linear(3, 2, rng=0)), Tanh())
    around = Sequential(encoder, Linear(2, 3, rng=1))
    del around
    gc.collect()
    assert encoder.root() is None
    layer = encoder[0][0]
    assert layer.root() is encoder
    assert encoder[0].root() is encoder
    text = message(ValueError, Sequential, layer)
    assert text.startswith("Sequential[0] Linear(3 -> 2): it stands in another network already")
    assert encoder.astype("float32").dtype == layer.dtype == np.float32
    again = Sequential(encoder.astype("float64"), Linear(2, 3, rng=1))
    assert layer.root() is again


def test_a_network_cannot_stand_in_itself():
    net = Sequential(Linear(3, 3, rng=0))
    outer = Sequential(Sequential(net))
    expected = "Sequential[1]: got a network in which this one stands, expected a module that does not hold it"
    for inside, around in ((net, net), (net, outer), (net, outer[0]), (outer[0], outer), (net, outer[:1])):
        assert message(ValueError, inside.append, around) == expected
    assert (len(net), len(outer), len(outer[0])) == (1, 1, 1)
    assert net.append(Tanh()).forward(np.ones((1, 3))).shape == (1, 3)


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


# Students' classes


@pytest.mark.parametrize("linear", LINEARS)
def test_a_students_class_is_the_same_as_our_linear(linear):
    x, delta = data()
    theirs = linear(3, 2, 0)
    layer = Linear(3, 2, rng=0)
    arrays = [array for array, _ in student_arrays(theirs).values()]
    if linear is VectorLinear:
        layer.parameters[:] = arrays[0]
    else:
        layer.weight, layer.bias = arrays[0], arrays[1].ravel() if len(arrays) > 1 else np.zeros(2)
    one, two = Sequential(theirs), Sequential(layer)
    np.testing.assert_allclose(one.forward(x), two.forward(x), rtol=1e-12, atol=1e-15)
    for net in (one, two):
        net.zero_grad()
    np.testing.assert_allclose(one.backward(x, delta), two.backward(x, delta), rtol=1e-12, atol=1e-15)
    sizes = sum(gradient.size for _, gradient in student_arrays(theirs).values())
    got = np.concatenate([np.ravel(gradient) for _, gradient in student_arrays(theirs).values()])
    np.testing.assert_allclose(got, layer.gradient[:sizes], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("make", [students, mixed], ids=["alone", "mixed"])
@pytest.mark.parametrize("linear", LINEARS)
def test_networks_with_students_classes_learn(linear, make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 3))
    y = np.stack([np.tanh(X[:, 0] - X[:, 1]), X[:, 2]], axis=1)
    net = make(linear)
    before = [array.copy() for array, _ in all_arrays(net)]
    history = fit(net, X, y, loss=MSE(), optimizer=SGD(0.05), epochs=40, batch_size=16, rng=0)
    assert history.loss[-1] < 0.3 * history.loss[0]
    for (array, _), old in zip(all_arrays(net), before, strict=True):
        assert (array != old).any()


def written_as_ours(net):
    """The same network with a Linear in place of each student's linear layer, and Tanh for StudentTanh."""
    found = []
    for module in net:
        if isinstance(module, StudentTanh):
            found.append(Tanh())
        elif isinstance(module, StudentModule | Derived):
            arrays = [array for array, _ in student_arrays(module).values()]
            if isinstance(module, VectorLinear):
                layer = Linear(module.n, module.m)
                layer.parameters[:] = arrays[0]
            else:
                layer = Linear(*arrays[0].shape, bias=len(arrays) > 1)
                layer.parameters[:] = np.concatenate([np.ravel(array) for array in arrays])
            found.append(layer)
        else:
            found.append(copy.deepcopy(module))
    return Sequential(found)


@pytest.mark.parametrize("linear", [linear for linear in LINEARS if linear is not BiasBeside])
@pytest.mark.parametrize(("kind", "index"), OPTIMIZERS)
def test_an_optimizer_moves_students_parameters_as_it_moves_ours(kind, index, linear):
    if getattr(kind, "needs_cost", False):
        pytest.skip("draws its moves array by array")
    x, y = data(n=6)
    theirs = mixed(linear)
    twin = written_as_ours(theirs)
    for net, optimizer in ((theirs, kind.examples()[index]), (twin, kind.examples()[index])):
        optimizer.attach(net)
        for _ in range(5):
            net.zero_grad()
            net.backward_update_gradient(x, MSE().backward(y, net.forward(x)) / len(x))
            optimizer.step()
        assert optimizer.steps == 5
    np.testing.assert_allclose(theirs.forward(x), twin.forward(x), rtol=1e-9, atol=1e-11)
    assert not np.allclose(theirs.forward(x), mixed(linear).forward(x), rtol=1e-3)


def test_an_optimizer_that_cannot_see_a_students_bias_refuses_by_name():
    x, y = data()
    expected = (
        "{}: BiasBeside.update_parameters moves _bias too, which this optimizer cannot see; put it in _parameters "
        "(a dict of arrays will do), or train with SGD(lr), which calls update_parameters"
    )
    for optimizer in (Adam(0.01), SGD(0.01, momentum=0.9), SGD(0.01, clip_norm=1.0)):
        net = mixed(BiasBeside)
        before = [array.copy() for array, _ in all_arrays(net)]
        options = {"loss": MSE(), "optimizer": optimizer, "epochs": 1}
        assert message(TypeError, fit, net, x, y, **options) == expected.format(repr(optimizer))
        assert_all_equal([array for array, _ in all_arrays(net)], before)
    net = mixed(BiasBeside)
    bias = net[2]._bias.copy()
    fit(net, x, y, loss=MSE(), optimizer=SGD(0.01), epochs=1)
    assert (net[2]._bias != bias).any()


class ArraysElsewhere(StudentModule):
    """_parameters stays None; the weights are attributes of other names."""

    def __init__(self, n, m):
        super().__init__()
        self.w, self.w_gradient = np.random.default_rng(0).uniform(-1, 1, (n, m)), None

    def zero_grad(self):
        self.w_gradient = np.zeros(self.w.shape)

    def forward(self, X):
        return X @ self.w

    def update_parameters(self, gradient_step=1e-3):
        self.w = self.w - gradient_step * self.w_gradient

    def backward_update_gradient(self, input, delta):
        self.w_gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self.w.T


class WholeNetwork:
    """A student's own Sequentiel: a list of modules and nothing else."""

    def __init__(self, *modules):
        self.modules = list(modules)

    def forward(self, X):
        self.inputs = [X]
        for module in self.modules:
            self.inputs.append(module.forward(self.inputs[-1]))
        return self.inputs[-1]

    def zero_grad(self):
        for module in self.modules:
            module.zero_grad()

    def update_parameters(self, gradient_step=1e-3):
        for module in self.modules:
            module.update_parameters(gradient_step)

    def backward_update_gradient(self, input, delta):
        self.backward_delta(input, delta, adds=True)

    def backward_delta(self, input, delta, adds=False):
        self.forward(input)
        for module, x in zip(self.modules[::-1], self.inputs[-2::-1], strict=True):
            if adds:
                module.backward_update_gradient(x, delta)
            delta = module.backward_delta(x, delta)
        return delta


HIDDEN = {
    "arrays elsewhere": (lambda: ArraysElsewhere(3, 2), "ArraysElsewhere.update_parameters moves w too"),
    "a network": (lambda: WholeNetwork(DictLinear(3, 2)), "WholeNetwork.update_parameters moves modules too"),
    "a network of ours": (lambda: WholeNetwork(Linear(3, 2, rng=0)), "WholeNetwork.update_parameters moves modules too"),
}


@pytest.mark.parametrize(("make", "start"), HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("wrap", [lambda module: module, Sequential], ids=["alone", "in Sequential"])
def test_no_optimizer_leaves_a_module_untrained_in_silence(make, start, wrap):
    x, y = data()
    module = make()
    net = wrap(module)
    out = net.forward(x)
    text = message(TypeError, fit, net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=1)
    assert text == (
        f"Adam(lr=0.01): {start}, which this optimizer cannot see; put it in _parameters "
        "(a dict of arrays will do), or train with SGD(lr), which calls update_parameters"
    )
    np.testing.assert_array_equal(net.forward(x), out)
    history = fit(net, x, y, loss=MSE(), optimizer=SGD(0.1), epochs=30)
    assert history.loss[-1] < 0.9 * history.loss[0]


def test_another_name_for_an_array_in_parameters_is_not_a_hidden_one():
    class Aliased(DictLinear):
        def __init__(self, n, m, seed=0):
            super().__init__(n, m, seed)
            self.W = self._parameters["W"]
            self.flat = self.W.reshape(-1)

        def update_parameters(self, gradient_step=1e-3):
            for name, array in self._parameters.items():
                array -= gradient_step * self._gradient[name]

    x, y = data()
    net = Sequential(Aliased(3, 2))
    before = net[0].W.copy()
    fit(net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=1)
    assert (before != net[0].W).all()
    assert net[0].W is net[0]._parameters["W"]


def test_a_module_without_zero_grad_or_parameters_needs_none():
    x, y = data(outputs=3)
    net = Sequential(PassThrough(), Linear(3, 3, rng=0), PassThrough())
    for optimizer in (SGD(0.1), Adam(0.1)):
        before = net.parameters.copy()
        fit(net, x, y, loss=MSE(), optimizer=optimizer, epochs=1)
        assert (net.parameters != before).all()


def test_a_students_error_says_at_which_place_it_arose():
    class Broken(PassThrough):
        def forward(self, X):
            return X @ np.ones((7, 7))

    net = Sequential(Linear(3, 3, rng=0), Sequential(Broken()))
    with pytest.raises(ValueError, match="matmul") as raised:
        net.forward(np.ones((2, 3)))
    assert "in Sequential[0] Broken, forward with an input of shape (2, 3)" in raised.value.__notes__
    assert any("Sequential[1]" in note for note in raised.value.__notes__)


class Noting(DictLinear):
    """Notes things in attributes as it goes: its last input and delta, and a count."""

    def forward(self, X):
        self.X = X
        return super().forward(X)

    def backward_update_gradient(self, input, delta):
        self.dW = input.T @ delta
        super().backward_update_gradient(input, delta)

    def backward_delta(self, input, delta):
        self.count = getattr(self, "count", 0) + 1
        return super().backward_delta(input, delta)


@pytest.mark.parametrize("make", [lambda kind: Sequential(Tanh(), kind(3, 2)), lambda kind: Sequential(kind(3, 4), kind(4, 2))])
def test_what_a_students_class_notes_in_backward_disturbs_nothing(make):
    x, delta = data()
    net, twin = make(Noting), make(DictLinear)
    for each in (net, twin):
        each.zero_grad()
        each.forward(x)
        each.backward_update_gradient(x, delta)
        each.backward_delta(x, delta)
        each.backward(x, delta)
    assert_all_equal([gradient for _, gradient in all_arrays(net)], [gradient for _, gradient in all_arrays(twin)])


class Scaled(PassThrough):
    """A setting that is a plain number, and one in a list."""

    def __init__(self):
        self.factor, self.more = 2.0, [np.ones(3)]

    def forward(self, X):
        return self.factor * X * self.more[0]

    def backward_delta(self, input, delta):
        return self.factor * delta * self.more[0]


CHANGED = {
    "a number": lambda net: setattr(net[0], "factor", 5.0),
    "an array in a list": lambda net: net[0].more[0].__imul__(3),
    "a module in a module": lambda net: net[1].modules[0]._parameters["W"].__imul__(2),
    "ours in a module": lambda net: net[1].modules[1].weight.__imul__(2),
    "update_parameters": lambda net: net.update_parameters(0.1),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_whatever_has_changed_in_a_students_class_after_forward_is_seen(change):
    x, delta = data()
    net = Sequential(Scaled(), WholeNetwork(DictLinear(3, 3), Linear(3, 3, rng=0)), Tanh(), Linear(3, 2, rng=1))
    net.zero_grad()
    net.backward(x, delta)
    net.forward(x)
    change(net)
    fresh = copy.deepcopy(net)  # it has no forward to remember
    np.testing.assert_array_equal(net.backward_delta(x, delta), fresh.backward_delta(x, delta))
    net.forward(x)
    change(net)
    fresh = copy.deepcopy(net)
    net.backward_update_gradient(x, delta)
    fresh.backward_update_gradient(x, delta)
    np.testing.assert_array_equal(net.gradient, fresh.gradient)
    np.testing.assert_array_equal(net[1].modules[0]._gradient["W"], fresh[1].modules[0]._gradient["W"])
