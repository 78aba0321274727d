"""Whose a module is: networks that change, slices, second owners, copies and pickles."""

import copy
import gc
import pickle

import numpy as np
import pytest
from helpers import DictLinear, PassThrough, assert_unchanged, message, network_state, prepared
from networks import all_arrays, assert_all_equal, data, every_network, gradients, mixed, ours

from modnet import (
    MSE,
    BatchNorm,
    Concat,
    Dropout,
    GaussianNoise,
    Identity,
    LeakyReLU,
    Linear,
    ReLU,
    Residual,
    Sequential,
    Tanh,
    Tied,
    fit,
    predict,
)
from modnet.discovery import all_modules
from modnet.optim import SGD

EXAMPLES = [pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in all_modules() for i in range(len(kind.examples()))]

OWNED = "already belongs to another network; use copy.deepcopy to get an independent one"

COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}
every_copy = pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)


def network():
    return Sequential(Linear(3, 4, rng=0), Tanh(), Linear(4, 2, rng=1))


# Networks that change


CHANGED = {
    "append": (lambda net, m: net.append(m), 3),
    "insert in front": (lambda net, m: net.insert(0, m), 0),
    "insert inside": (lambda net, m: net.insert(2, m), 2),
    "insert from the end": (lambda net, m: net.insert(-1, m), 2),
    "insert past the end": (lambda net, m: net.insert(99, m), 3),
    "replace the last": (lambda net, m: net.__setitem__(2, m), 2),
    "replace the last, from the end": (lambda net, m: net.__setitem__(-1, m), 2),
    "replace one without parameters": (lambda net, m: net.__setitem__(1, m), 1),
}


@pytest.mark.parametrize(("change", "place"), CHANGED.values(), ids=CHANGED)
def test_a_changed_network_is_the_one_that_is_built_so_from_the_start(change, place):
    net = network()
    sizes = [(3, 3), (4, 3), (4, 4), (2, 5)]
    n, m = {0: (3, 3), 1: (4, 4), 2: (4, 4), 3: (2, 5)}[place] if len(sizes) else (0, 0)
    if change in (CHANGED["replace the last"][0], CHANGED["replace the last, from the end"][0]):
        m = 5
    new = Linear(n, m, rng=7)
    want = list(copy.deepcopy(network()))
    replaces = len(want) + 1
    returned = change(net, new)
    assert returned in (net, None)
    want[place : place + (len(net) < replaces)] = [copy.deepcopy(new)]
    twin = Sequential(want)
    assert net[place] is new
    assert repr(net) == repr(twin)
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    x, delta = data(outputs=len(twin.forward(np.zeros((1, 3)))[0]))
    np.testing.assert_array_equal(net.forward(x), twin.forward(x))
    np.testing.assert_array_equal(net.backward(x, delta), twin.backward(x, delta))
    np.testing.assert_array_equal(net.gradient, twin.gradient)
    assert new.root() is net


TAKEN_OUT = {"pop()": lambda net: net.pop(), "pop(-1)": lambda net: net.pop(-1), "del": lambda net: net.__delitem__(2)}


@pytest.mark.parametrize("take", TAKEN_OUT.values(), ids=TAKEN_OUT)
def test_what_is_taken_out_keeps_its_numbers_and_is_free(take):
    net, (x, _) = network(), data()
    last = net[2]
    net.gradient[:] = np.arange(net.gradient.size)
    weight, gradient = last.weight.copy(), last.gradient.copy()
    assert take(net) in (last, None)
    assert len(net) == 2
    assert net.parameters.size == 16
    assert last.root() is None
    assert not np.shares_memory(last.parameters, net.parameters)
    np.testing.assert_array_equal(last.weight, weight)
    np.testing.assert_array_equal(last.gradient, gradient)
    np.testing.assert_array_equal(net.forward(x), net[1].forward(net[0].forward(x)))
    other = Sequential(last)
    assert other.parameters.size == 10
    assert last.root() is other


def test_a_container_that_is_taken_out_is_a_network_of_its_own():
    inner = Sequential(Linear(3, 4, rng=0), Sequential(Tanh()))
    net = Sequential(inner, Linear(4, 2, rng=1))
    x, _ = data()
    want = inner.forward(x)
    assert net.pop(0) is inner
    assert inner.root() is None
    assert inner[1].root() is inner
    assert not np.shares_memory(inner.parameters, net.parameters)
    np.testing.assert_array_equal(inner.forward(x), want)
    inner[0].weight[:] = 0
    assert net.forward(want).any()
    np.testing.assert_array_equal(inner.astype("float32").parameters.dtype, np.float32)


def test_a_module_that_is_still_used_elsewhere_in_the_network_stays_in_it():
    shared = Linear(3, 3, rng=0)
    net = Sequential(shared, Tanh(), shared)
    assert net.pop() is shared
    assert shared.root() is net
    assert np.shares_memory(shared.weight, net.parameters)
    inner = Sequential(shared, Tanh())
    net.append(inner)
    assert net.pop() is inner
    assert shared.root() is net
    assert message(ValueError, inner.forward, np.ones((1, 3))) == f"Sequential[0] Linear(3 -> 3): {OWNED}"
    net.append(inner).append(Sequential(inner))
    assert net.pop(2) is inner
    assert inner.root() is net
    np.testing.assert_array_equal(inner.forward(np.ones((1, 3))), Tanh().forward(shared.forward(np.ones((1, 3)))))


def test_a_new_head_is_trained_and_the_rest_keeps_its_numbers():
    net, (x, _) = network(), data()
    before = net[0].parameters.copy()
    net[2] = Linear(4, 5, rng=2)
    np.testing.assert_array_equal(net[0].parameters, before)
    SGD(0.1).attach(net)
    net.backward_update_gradient(x, np.ones((4, 5)))
    assert net[2].gradient.any()


def test_an_inner_network_that_changes_reaches_the_outermost():
    x, _ = data()
    net = Sequential(Sequential(Linear(3, 4, rng=0), Tanh()), Linear(4, 2, rng=1))
    for change in (
        lambda: net[0].insert(1, Linear(4, 4, rng=2)),
        lambda: net[0].__setitem__(1, Linear(4, 4, rng=3)),
        lambda: net[0].pop(1),
    ):
        change()
        assert net.parameters.size == sum(m.parameters.size for m in net.leaves())
        assert all(np.shares_memory(m.weight, net.parameters) for m in net.leaves() if isinstance(m, Linear))
        assert net.forward(x).shape == (4, 2)


REFUSED = {
    "an index past the end": (lambda net: net.__setitem__(3, Tanh()), IndexError, "Sequential: there is no [3]; it has 3 modules, the last is [2]"),
    "a pop past the end": (lambda net: net.pop(7), IndexError, "Sequential: there is no [7]; it has 3 modules, the last is [2]"),
    "a slice assigned": (
        lambda net: net.__setitem__(slice(0, 1), [Tanh()]),
        TypeError,
        "Sequential: assign one module at a time: net[2] = module",
    ),
    "a slice deleted": (lambda net: net.__delitem__(slice(0, 1)), TypeError, "Sequential: delete one module at a time: del net[2]"),
    "sizes that do not meet, replaced": (
        lambda net: net.__setitem__(2, Linear(5, 2, rng=0)),
        ValueError,
        "Sequential[2] Linear(5 -> 2): takes 5 features, but Sequential[0] Linear(3 -> 4) gives 4",
    ),
    "sizes that do not meet, inserted": (
        lambda net: net.insert(1, Linear(4, 3, rng=0)),
        ValueError,
        "Sequential[3] Linear(4 -> 2): takes 4 features, but Sequential[1] Linear(4 -> 3) gives 3",
    ),
    "sizes that do not meet, taken out": (
        lambda net: Sequential(Linear(2, 3, rng=0), net).__delitem__(0) or net.insert(0, Linear(3, 5, rng=0)),
        ValueError,
        "Sequential[1] Linear(3 -> 4): takes 3 features, but Sequential[0] Linear(3 -> 5) gives 5",
    ),
    "a class": (
        lambda net: net.__setitem__(1, Tanh),
        TypeError,
        "Sequential[1]: got the class Tanh, expected an object: Tanh(...)",
    ),
    "another's module": (
        lambda net, other=Sequential(Linear(4, 2, rng=0)): net.__setitem__(2, other[0]),
        ValueError,
        f"Sequential[2] Linear(4 -> 2): {OWNED}",
    ),
    "two types": (
        lambda net: net.insert(3, Linear(2, 2, rng=0).astype("float32")),
        ValueError,
        "Sequential: its modules hold float32 and float64; convert them to one type with astype",
    ),
    "itself": (
        lambda net: net.insert(1, net),
        ValueError,
        "Sequential[1]: got a network that holds this one; a network cannot be in itself",
    ),
}


@pytest.mark.parametrize(("change", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_a_refused_change_leaves_the_network_as_it_was(change, error, text):
    net, (x, delta) = network(), data()
    net.backward(x, delta)
    modules, before, want = list(net), network_state(net), net.forward(x)
    with pytest.raises(error) as raised:
        change(net)
    assert str(raised.value) == text
    assert list(net) == modules
    assert_unchanged(net, before)
    np.testing.assert_array_equal(net.forward(x), want)
    np.testing.assert_array_equal(net.backward_delta(x, delta), copy.deepcopy(net).backward_delta(x, delta))


def test_a_network_cannot_be_in_itself():
    net = Sequential(Linear(3, 3, rng=0))
    outer = Sequential(Sequential(net))
    expected = "Sequential[1]: got a network that holds this one; a network cannot be in itself"
    for inside, around in ((net, net), (net, outer), (net, outer[0]), (outer[0], outer), (net, outer[:1])):
        assert message(ValueError, inside.append, around) == expected
    assert (len(net), len(outer), len(outer[0])) == (1, 1, 1)
    assert net.append(Tanh()).forward(np.ones((1, 3))).shape == (1, 3)


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
    part = network()[:2]
    gc.collect()
    assert part.forward(data()[0]).shape == (4, 4)
    assert part[:1].parameters.size == 16


FOLLOWED = {
    "append": lambda net: net.append(Linear(2, 2, rng=9)),
    "append inside": lambda net: net[0].append(Linear(4, 4, rng=9)),
    "insert": lambda net: net.insert(3, Linear(2, 2, rng=9)),
    "a new head": lambda net: net.__setitem__(3, Linear(2, 7, rng=9)),
    "pop": lambda net: net.pop(),
    "astype and back": lambda net: net.astype("float32").astype("float64"),
    "astype": lambda net: net.astype("float32"),
    "nesting": lambda net: Sequential(net, Linear(2, 2, rng=9)),
}


@pytest.mark.parametrize("change", FOLLOWED.values(), ids=FOLLOWED)
def test_a_slice_follows_what_becomes_of_its_network(change):
    net = Sequential(
        Sequential(Linear(3, 4, rng=0), Tanh()), Linear(4, 4, rng=1), Linear(4, 2, rng=2), Linear(2, 2, bias=False, rng=3)
    )
    x, delta = data(outputs=4)
    part, tail = net[:2], net[2:3]
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


GONE = {
    "replaced": lambda net: net.__setitem__(0, Linear(3, 4, rng=9)),
    "popped": lambda net: net.pop(0),
    "popped into another network": lambda net: Sequential(net.pop(0)),
}


@pytest.mark.parametrize("change", GONE.values(), ids=GONE)
def test_a_slice_of_modules_that_are_no_longer_in_the_network_says_so(change):
    net, (x, delta) = network(), data(outputs=4)
    part, rest = net[:2], net[1:]
    part.forward(x)
    kept = change(net)
    text = "Sequential: the network that it is a slice of has changed; take the slice again"
    for call in (
        lambda: part.forward(x),
        lambda: part.backward(x, delta),
        lambda: part.parameters,
        lambda: predict(part, x),
        part.zero_grad,
        lambda: SGD(0.1).attach(part),
    ):
        assert message(ValueError, call) == text
    assert rest.forward(np.ones((1, 4))).shape == (1, 2)  # all of its modules are still there
    twin = copy.deepcopy(part)
    assert twin.forward(x).shape == (4, 4)
    del kept


def test_a_slice_is_not_changed_itself():
    net = ours()
    part = net[:2]
    text = "Sequential: it is a slice of a network; change the network itself, or a copy.deepcopy of the slice"
    for change in (
        lambda: part.append(Linear(5, 5, rng=0)),
        lambda: part.insert(0, Tanh()),
        lambda: part.pop(),
        lambda: part.__setitem__(0, Tanh()),
        lambda: part.__delitem__(0),
    ):
        assert message(ValueError, change) == text
    assert (len(part), len(net)) == (2, 5)
    assert len(copy.deepcopy(part).append(Linear(5, 5, rng=0))) == 3


# Second owners


def test_a_second_owner_is_refused_at_first_use_and_its_advice_works():
    layer = Linear(3, 4, rng=0)
    net = Sequential(Tanh(), layer)
    before, (x, delta) = net.parameters.copy(), data(outputs=4)
    for second in (Sequential(ReLU(), layer), Sequential(ReLU(), net[1:]), Sequential(ReLU(), Sequential(layer))):
        place = "Sequential[1] Linear(3 -> 4): "
        for use in (
            lambda s=second: s.forward(x),
            lambda s=second: s.backward(x, delta),
            lambda s=second: s.parameters,
            lambda s=second: s.astype("float32"),
            lambda s=second: s.summary(3),
            lambda s=second: predict(s, x),
            lambda s=second: SGD(0.1).attach(s),
            lambda s=second: s.append(Tanh()),
        ):
            assert message(ValueError, use) == place + OWNED
        assert len(second) == 2
        assert layer.root() is net
        assert np.shares_memory(layer.weight, net.parameters)
        np.testing.assert_array_equal(net.parameters, before)
        assert repr(second).startswith("Sequential(\n  [0] ReLU()")
        twin = Sequential(*copy.deepcopy(list(second)))
        np.testing.assert_array_equal(twin.forward(x), net[1].forward(np.maximum(x, 0)))
        assert not np.shares_memory(twin.parameters, net.parameters)


def test_a_new_head_on_a_slice_is_refused_with_advice_that_works():
    net, (x, _) = network(), data()
    head = Linear(4, 5, rng=2)
    assert message(ValueError, lambda: Sequential(net[:2], head).forward(x)) == f"Sequential[0] Linear(3 -> 4): {OWNED}"
    new = Sequential(copy.deepcopy(net[:2]), head)
    np.testing.assert_array_equal(new.forward(x), head.forward(net[:2].forward(x)))
    new.parameters[:] = 0
    assert net.parameters.all()


def test_a_module_may_be_given_to_two_inner_networks_that_an_outer_one_then_holds():
    layer, (x, delta) = Linear(3, 3, rng=0), data(outputs=3)
    first, second = Sequential(layer, Tanh()), Sequential(layer, ReLU())
    assert message(ValueError, second.forward, x) == f"Sequential[0] Linear(3 -> 3): {OWNED}"
    outer = Sequential(first, second)
    assert outer.parameters.size == 12
    want = np.maximum(np.tanh(x @ layer.weight + layer.bias) @ layer.weight + layer.bias, 0)
    np.testing.assert_allclose(outer.forward(x), want, rtol=1e-13)
    np.testing.assert_array_equal(second.forward(first.forward(x)), outer.forward(x))
    outer.backward_update_gradient(x, delta)
    assert layer.gradient.any()
    for inner in (first, second):
        assert inner.root() is outer
        assert np.shares_memory(inner.parameters, outer.parameters)
    inside_concat = Concat(Sequential(late := Linear(3, 3, rng=1)), Residual(late))
    assert inside_concat.parameters.size == 12


def test_an_auto_encoder_may_be_built_of_two_networks_with_tied_weights():
    encoder = Sequential(first := Linear(4, 2, rng=0), Tanh())
    decoder = Sequential(Tied(first), Tanh())
    net = Sequential(encoder, decoder)
    assert net.parameters.size == 8 + 2 + 4
    assert encoder.root() is decoder.root() is net


def test_modules_without_numbers_belong_to_everybody():
    x, _ = data()
    activation = LeakyReLU(0.1)
    nets = [Sequential(activation, Linear(3, 2, rng=i)) for i in range(3)]
    for slope in (0.1, 0.3):
        activation.slope = slope
        for net in nets:
            np.testing.assert_array_equal(net.forward(x), net[1].forward(np.where(x > 0, x, x.dtype.type(slope) * x)))
    del nets[0]
    gc.collect()
    assert nets[1].forward(x).shape == (4, 2)


@pytest.mark.parametrize("make", [lambda: Dropout(0.5, rng=0), lambda: GaussianNoise(1.0, rng=0), lambda: BatchNorm(3)])
def test_modules_that_keep_a_draw_or_statistics_belong_to_one(make):
    module = make()
    net = Sequential(module)
    text = message(ValueError, Sequential(module, Tanh()).forward, data()[0])
    assert text == f"Sequential[0] {module}: {OWNED}"
    assert module.root() is net


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
    decoder = Sequential(Linear(2, 3, rng=1))
    around = Sequential(encoder, decoder)
    del around
    gc.collect()
    assert encoder.root() is decoder.root() is None
    layer = encoder[0][0]
    assert layer.root() is encoder
    assert encoder[0].root() is encoder
    assert decoder[0].root() is decoder
    assert message(ValueError, Sequential(layer).forward, data()[0]) == f"Sequential[0] Linear(3 -> 2): {OWNED}"
    assert "it belongs to a network" in message(ValueError, layer.astype, "float32")
    assert encoder.astype("float32").dtype == layer.dtype == np.float32
    assert decoder.dtype == np.float64
    decoder.append(Tanh())
    again = Sequential(encoder.astype("float64"), decoder)
    assert layer.root() is again


def test_an_inner_network_that_changes_reaches_the_one_around_it_when_the_outermost_is_gone():
    inner = Sequential(Tanh())
    around = Sequential(Linear(3, 3, rng=0), inner)
    outermost = Sequential(inner, around)  # inner comes first, by itself
    X = np.random.default_rng(0).normal(size=(4, 3))
    predict(outermost, X)
    before = predict(around, X)
    del outermost
    gc.collect()
    inner.append(Tanh())
    np.testing.assert_allclose(predict(around, X), np.tanh(before))
    np.testing.assert_allclose(around.forward(X), np.tanh(before))


# Copies and pickles


@every_network
@every_copy
def test_a_copy_computes_the_same_and_shares_nothing(make, again):
    net, (x, delta) = make(), data()
    net.forward(x)
    out, want = net.forward(x), gradients(net, x, delta)
    twin = again(net)
    np.testing.assert_array_equal(twin.forward(x), out)
    assert_all_equal([gradient for _, gradient in all_arrays(twin)], [gradient for _, gradient in all_arrays(net)])
    assert_all_equal(gradients(twin, x, delta), want)
    for (array, gradient), (mine, my_gradient) in zip(all_arrays(twin), all_arrays(net), strict=True):
        assert not np.shares_memory(array, mine)
        assert not np.shares_memory(gradient, my_gradient)
    twin.update_parameters(1.0)
    np.testing.assert_array_equal(net.forward(x), out)
    assert not np.array_equal(twin.forward(x), out)
    twin.append(Linear(2, 2, rng=0))
    assert len(net) + 1 == len(twin)
    assert all(module.root() in (None, net) for module in net.leaves() if hasattr(module, "root"))


def noisy():
    """A network with all that a copy must have: draws, statistics, settings, one module frozen and one in evaluation."""
    shared = Linear(3, 3, rng=0)
    net = Sequential(
        shared, Dropout(0.5, rng=1), Residual(BatchNorm(3), shared, Dropout(0.3, rng=2)), Concat(BatchNorm(3), LeakyReLU(0.2)),
        GaussianNoise(0.1, rng=3), Linear(6, 2, rng=4), BatchNorm(2),
    )  # fmt: skip
    SGD(0.1).attach(net, rates={6: 0.0})
    net[3][0].eval()
    x = np.random.default_rng(0).normal(size=(5, 3))
    for _ in range(3):
        net.forward(x)
        net.backward(x, np.ones((5, 2)))
    net[3][1].slope = 0.4
    return net, x


PARTS = {
    "the network": (lambda net: net, 3),
    "a slice": (lambda net: net[:3], 3),
    "a slice of a slice": (lambda net: net[1:][1:3], 3),
    "an inner network": (lambda net: net[2], 3),
    "a module that draws": (lambda net: net[1], 3),
    "a module with statistics": (lambda net: net[2][0], 3),
    "a frozen module": (lambda net: net[6], 2),
    "a module in evaluation": (lambda net: net[3][0], 3),
    "a module with a setting": (lambda net: net[3][1], 3),
}


@every_copy
@pytest.mark.parametrize(("part_of", "features"), PARTS.values(), ids=PARTS)
def test_a_copy_of_any_part_is_whole_and_its_own(part_of, features, again):
    net, x = noisy()
    part, x = part_of(net), x[:, :features]
    twin = again(part)
    if isinstance(part, Sequential | Concat):
        for mine, theirs in zip(part.leaves(), twin.leaves(), strict=True):
            assert mine.training == theirs.training
            if theirs.parameters.size:
                assert not np.shares_memory(mine.parameters, theirs.parameters)
                assert theirs.root() is twin
    else:
        assert twin.root() is None
    before = network_state(net)
    outs = []
    for each in (twin, part):  # in training: the draws that come next, and statistics that move
        outs.append([])
        for _ in range(3):
            out = each.forward(x)
            outs[-1] += [out, each.backward_delta(x, np.ones(out.shape))]
        each.eval()
        outs[-1] += [each.forward(x), *each.named_parameters().values()]
        if each is twin:
            assert_unchanged(net, before)
    assert_all_equal(*outs)


@pytest.mark.parametrize(("kind", "index"), EXAMPLES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_module_is_pickled_whole(kind, index, dtype):
    module, x = prepared(kind, index, np.random.default_rng(0))
    module.astype(dtype).train()
    x = x.astype(dtype)
    module.forward(x)
    twins = [pickle.loads(pickle.dumps(module)), copy.deepcopy(module)]
    want = module.forward(x)
    for twin in twins:
        assert repr(twin) == repr(module)
        np.testing.assert_array_equal(twin.forward(x), want, strict=True)
        np.testing.assert_array_equal(twin.parameters, module.parameters, strict=module.parameters.size > 0)
        assert not np.shares_memory(twin.parameters, module.parameters)


def size_of(thing):
    return len(pickle.dumps(thing))


def test_a_pickle_is_no_larger_than_its_numbers():
    net = Sequential(Linear(300, 400, rng=0), Tanh(), Sequential(Linear(400, 20, rng=1), Dropout(0.5)), BatchNorm(20))
    x = np.ones((64, 300))
    bare = size_of(net)
    net.forward(x)
    net.backward(x, net.forward(x))
    numbers = 2 * net.parameters.nbytes + net.storage.state.nbytes  # with the gradient
    assert size_of(net) < numbers + 4000
    assert size_of(net) < bare + 500  # no workspace, no memory of the last forward
    for part in (net[2:], net[1:][1:], net[2], net[2][0], net[3], net[1]):
        counts = part.counts
        assert size_of(part) < 8 * (2 * counts.parameters + counts.state) + 3000
        assert size_of(copy.deepcopy(part)) < 8 * (2 * counts.parameters + counts.state) + 3000


def test_a_copy_of_a_tied_network_is_tied_to_its_own():
    encoder = Sequential(Linear(6, 3, rng=0), Tanh())
    net = Sequential(encoder, Sequential(Tied(encoder[0])))
    x = np.random.default_rng(0).normal(size=(5, 6))
    for again in COPIES.values():
        twin = again(net)
        assert twin[1][0].linear is twin[0][0]
        assert twin[1][0].linear is not net[0][0]
        np.testing.assert_array_equal(twin.forward(x), net.forward(x))
        twin[0][0].weight[...] = 0
        np.testing.assert_array_equal(twin.forward(x), 0 * x)


def test_a_copy_of_a_network_that_waits_for_its_owner_is_a_network():
    layer = Linear(3, 3, rng=0)
    first, second = Sequential(layer), Sequential(Tanh(), layer)
    twin = copy.deepcopy(second)
    np.testing.assert_array_equal(twin.forward(np.ones((1, 3))), first.forward(np.tanh(np.ones((1, 3)))))


@every_copy
def test_a_copy_of_a_network_with_students_classes_has_theirs_too(again):
    net = Sequential(DictLinear(3, 3), PassThrough(), Sequential(DictLinear(3, 2, 1)))
    net[0].note = np.arange(3)
    for part in (net, net[:1], net[2]):
        twin = again(part)
        for mine, theirs in zip(part.leaves(), twin.leaves(), strict=True):
            assert type(mine) is type(theirs)
            assert mine is not theirs
    np.testing.assert_array_equal(again(net)[0].note, np.arange(3))


def test_layers_of_a_network_that_is_gone_with_its_optimizer_are_free():
    layer = Linear(3, 2, rng=0)
    net = Sequential(layer, Tanh())
    optimizer = SGD(0.1).attach(net)
    gc.disable()
    try:
        del net, optimizer
        assert Sequential(layer).forward(np.ones((1, 3))).shape == (1, 2)
    finally:
        gc.enable()


def test_a_layer_that_was_used_alone_follows_its_numbers_into_a_network():
    x, y = np.random.default_rng(0).normal(size=(5, 3)), np.ones((5, 2))
    layer = Linear(3, 2, rng=0)
    fit(layer, x, y, MSE(), SGD(0.1), epochs=2, progress=False)
    fit(Sequential(layer, Tanh()), x, y, MSE(), SGD(0.1), epochs=3, progress=False)
    np.testing.assert_array_equal(predict(layer, x), layer.forward(x))
    np.testing.assert_allclose(predict(layer, x), x @ layer.weight + layer.bias, rtol=1e-12)


@pytest.mark.parametrize("inside", [[], [Tanh()]])
def test_a_slice_is_refused_once_a_network_in_it_without_numbers_has_gone(inside):
    inner = Sequential(inside)
    net = Sequential(Linear(3, 3, rng=0), inner)
    part = net[0:2]
    predict(part, np.ones((2, 3)))
    net[1] = ReLU()
    inner.append(Linear(3, 2, rng=1))
    said = message(ValueError, predict, part, np.ones((2, 3)))
    assert said == "Sequential: the network that it is a slice of has changed; take the slice again"


class OfOnesOwn(Sequential):
    """A container with a forward of its own."""

    def forward(self, X):
        return super().forward(X)


NEWCOMERS = {
    "without numbers": lambda: ReLU(),
    "with parameters": lambda: Linear(3, 3, rng=1),
    "with statistics": lambda: BatchNorm(3, eps=0.3),
    "a network": lambda: Sequential(BatchNorm(3, eps=0.3)),
    "a network of one's own": lambda: OfOnesOwn(ReLU()),
}
CHANGES = {
    "append": lambda net, module: net.append(module),
    "insert": lambda net, module: net.insert(0, module),
    "set": lambda net, module: net.__setitem__(0, module),
    "pop": lambda net, module: net.pop(),
}


@pytest.mark.parametrize("used", ["not used", "predict", "forward", "backward"])
@pytest.mark.parametrize("first", [Tanh, lambda: Linear(3, 3, rng=0)], ids=["tanh", "linear"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("newcomer", NEWCOMERS.values(), ids=NEWCOMERS)
def test_a_slice_computes_what_a_network_inside_it_has_become(newcomer, change, first, used):
    x = np.random.default_rng(0).normal(size=(4, 3))
    inner = Sequential(first(), Identity())
    net = Sequential(ReLU(), inner, Residual(inner))
    slices = net[1:], net[1:][1:], net[1:][:1]
    for each in (*slices, net):
        if used == "predict":
            predict(each, x)
        elif used != "not used":
            y = each.forward(x)
            if used == "backward":
                each.backward(x, np.ones_like(y))
    change(inner, newcomer())
    h = predict(inner, x)
    want = h + predict(inner, h), x + predict(inner, x), h
    for each, expected in zip(slices, want):
        np.testing.assert_allclose(predict(each, x), expected, rtol=1e-12)
