"""Every module of the library as an object: what it says of itself, its copies and pickles, and classes made from it."""

import copy
import inspect
import pickle
import pydoc

import numpy as np
import pytest
from helpers import message, prepared
from module_cases import answers, assert_same, case, every_example, every_leaf, every_mode, every_module, gradient, rng_of

import modnet
from modnet import MSE, Dropout, Flatten, Linear, Module, Sequential, Tanh, Tied, fit, handout, predict
from modnet.check import check_module
from modnet.module import OPERATIONS, Operation, Setting
from modnet.modules.container import Container
from modnet.optim import Adam

AGAIN = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda module: pickle.loads(pickle.dumps(module))}
every_way_to_copy = pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)


# What it says of itself


@every_example
def test_repr_says_the_class_in_one_line(kind, index):
    module, _ = kind.examples()[index]
    text = repr(module)
    assert text.startswith(kind.__name__ + "(")
    assert text.endswith(")")
    assert " at 0x" not in text
    assert "\n" not in text or issubclass(kind, Container), "a container has a line for each module"


class Scaled(Linear):
    """A module of somebody's, with arguments that it declares and one that it does not."""

    scale = Setting(default=2.0)

    def __init__(self, in_features, out_features, name="", scale=2.0):
        super().__init__(in_features, out_features, bias=False)
        self.scale = scale


@pytest.mark.parametrize(("call", "shown"), [
    ("Linear(3, 3)", "Linear(3 -> 3)"), ("Linear(3, 2, bias=False)", "Linear(3 -> 2, bias=False)"),
    ("RidgeLinear(3, 2, alpha=0.5)", "RidgeLinear(3 -> 2, alpha=0.5)"), ("Tied(Linear(3, 2))", "Tied(2 -> 3)"),
    ("Embedding(9, 4)", "Embedding(9, 4)"), ("BatchNorm(3, eps=0.01)", "BatchNorm(3, eps=0.01)"),
    ("Conv2D((3, 3), 1, 2, stride=(1, 2), padding=1)", "Conv2D(1 -> 2, k_size=3, stride=(1, 2), padding=1)"),
    ("MaxPool2D((2, 3))", "MaxPool2D(k_size=(2, 3))"), ("AvgPool1D(3, 1, 1)", "AvgPool1D(k_size=3, stride=1, padding=1)"),
    ("Reshape(2, 2)", "Reshape(2, 2)"), ("Transpose()", "Transpose()"), ("Threshold(0.5)", "Threshold(0.5, 0)"),
    ("Scaled(3, 2, 'first')", "Scaled(3 -> 2)"), ("Scaled(3, 2, scale=0.5)", "Scaled(3 -> 2, scale=0.5)"),
    ("handout.Linear(3, 2, True)", "Linear(3 -> 2, bias=True)"), ("handout.Conv1D(3, 1, 2)", "Conv1D(1 -> 2, k_size=3)"),
])  # fmt: skip
def test_repr_is_the_call_without_what_is_a_default(call, shown):
    assert repr(eval(call, {**vars(modnet), "Scaled": Scaled, "handout": handout})) == shown


@every_module
def test_train_and_eval_return_the_module_and_set_its_mode(kind, index):
    module, x = prepared(kind, index, rng_of(index))
    assert module.train() is module
    assert module.training
    assert module.eval() is module
    assert not module.training
    np.testing.assert_array_equal(module.forward(x), module.forward(x))
    assert kind.examples()[index][0].training


@every_example
def test_named_parameters_are_the_parameters(kind, index):
    module, x, _ = case(kind, index)
    # A module that is used twice in a network has two names.
    named = {array.ctypes.data: array for array in module.named_parameters().values()}
    assert sum(array.size for array in named.values()) == module.parameters.size
    before = module.forward(x)
    for number, array in enumerate(named.values()):
        assert np.shares_memory(array, module.parameters)
        array[...] = number + 0.5
    np.testing.assert_array_equal(np.unique(module.parameters), np.arange(len(named)) + 0.5)
    if named:
        assert not np.array_equal(module.forward(x), before)


@every_module
def test_calling_a_module_is_its_forward(kind, index):
    module, x, _ = case(kind, index)
    np.testing.assert_array_equal(module(x), module.forward(x))


# Its operations as methods


@every_module
def test_an_operation_looks_like_a_method_of_the_contract(kind, index):
    module = kind.examples()[index][0]
    for name in OPERATIONS:
        method, contract = getattr(module, name), getattr(Module, name)
        assert inspect.ismethod(method)
        assert (method.__name__, method.__self__) == (name, module)
        assert inspect.signature(method) == inspect.signature(getattr(Module(), name))
        if not isinstance(getattr(kind, name), Operation):
            continue
        assert method.__doc__ == contract.__doc__
        text = pydoc.render_doc(method, renderer=pydoc.plaintext)  # what help() shows
        assert f"{name}(" in text
        assert contract.__doc__.split("\n")[0] in text
        of_class = pydoc.render_doc(kind, renderer=pydoc.plaintext)
        assert f" |  {name}{inspect.signature(getattr(kind, name))}\n |      {contract.__doc__.splitlines()[0]}" in of_class
        # Its source is the kernel's.
        source = inspect.getsource(method)
        assert source.lstrip().startswith("@operation")
        assert f"def {name}({', '.join(getattr(kind, name).names)}):" in source


def test_operations_take_their_arguments_by_name_and_miss_them_by_name():
    layer, x, delta = Linear(3, 2, rng=0), np.ones((4, 3)), np.ones((4, 2))
    np.testing.assert_array_equal(layer.forward(X=x), layer.forward(x))
    np.testing.assert_array_equal(layer.backward_delta(delta=delta, input=x), layer.backward_delta(x, delta))
    layer.backward_update_gradient(input=x, delta=delta)
    with pytest.raises(TypeError, match=r"forward\(\) missing 1 required positional argument: 'X'"):
        layer.forward()
    with pytest.raises(TypeError, match=r"backward_delta\(\) missing 1 required positional argument: 'delta'"):
        layer.backward_delta(x)


@every_leaf
def test_an_operation_is_called_on_the_class_as_on_the_object(kind, index):
    module, x, delta = case(kind, index)
    np.testing.assert_array_equal(kind.forward(module, x), module.forward(x))
    if isinstance(kind.backward_delta, Operation):
        np.testing.assert_array_equal(kind.backward_delta(module, x, delta), module.backward_delta(x, delta))
    other = modnet.Transpose(1, 0) if kind is not modnet.Transpose else modnet.MaxPool1D(2)
    for stranger in (other, x, None):  # its sizes are not those that the kernel reads
        text = message(TypeError, kind.forward, stranger, x)
        assert text.endswith("expected an object of a class that has this operation")


@every_module
def test_a_bound_method_is_pickled_with_its_module(kind, index):
    module, x, delta = case(kind, index)
    for name, given in zip(OPERATIONS, ((x,), (x, delta), (x, delta))):
        if name == "backward_delta" and kind is modnet.Embedding:
            continue
        method = pickle.loads(pickle.dumps(getattr(module, name)))
        assert method.__self__ is not module
        np.testing.assert_array_equal(method(*given), getattr(module, name)(*given))
    np.testing.assert_array_equal(method.__self__.parameters, module.parameters)


def test_an_operation_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(Linear.forward)) is Linear.forward
    assert pickle.loads(pickle.dumps(Tanh.backward_delta)) is Tanh.backward_delta
    assert repr(Linear.forward) == "<operation Linear.forward>"


# Copies and pickles


def storages(module):
    """Every block of numbers that a module reads."""
    found = [module.storage, *(other.storage for other in getattr(module, "shares_parameters_of", ()))]
    return [getattr(s, name) for s in found for name in ("parameters", "gradient", "state", "settings", "draws")]


@every_example
@every_way_to_copy
def test_a_copy_computes_the_same_and_shares_nothing(kind, index, again):
    module, x, delta = case(kind, index)
    slope = gradient(module, x, delta)
    twin = again(module)
    assert type(twin) is kind
    assert repr(twin) == repr(module)
    assert twin.training is module.training
    np.testing.assert_array_equal(twin.gradient, slope)
    want = answers(module, x, delta)
    assert_same(answers(twin, x, delta), want)
    for theirs in storages(twin):
        for ours in storages(module):
            assert not np.shares_memory(theirs, ours)
    for block in storages(twin):
        block[:] = 1
    assert_same([module.gradient, *answers(module, x, delta)], [slope, *want])


@every_mode
@every_way_to_copy
def test_a_copy_goes_on_as_the_original_would(kind, index, again):
    """Statistics, the settings they move by, and the draw are copied: both forwards of the twin are those of the module."""
    module, x, delta = case(kind, index)
    module.train()
    for _ in range(2):
        module.forward(x)
    twin = again(module)
    assert_same([twin.backward_delta(x, delta)], [module.backward_delta(x, delta)])
    for _ in range(2):
        assert_same([twin.forward(x), twin.block("state")], [module.forward(x), module.block("state")])
    assert_same([twin.eval().forward(x)], [module.eval().forward(x)])


@every_module
def test_a_module_of_a_large_network_is_pickled_without_the_network(kind, index):
    alone, x, _ = case(kind, index)
    size, method_size = len(pickle.dumps(alone)), len(pickle.dumps(alone.forward))
    module, x, _ = case(kind, index)
    net = Sequential(Linear(300, 300, rng=0), Flatten(), module, Flatten(), Linear(300, 300, rng=1))
    out = module.forward(x)
    assert len(pickle.dumps(net)) > 2 * 8 * 300 * 300
    assert len(pickle.dumps(module)) <= size + 2000
    assert len(pickle.dumps(module.forward)) <= method_size + 2000
    for again in AGAIN.values():
        twin = again(module)
        np.testing.assert_array_equal(twin.forward(x), out)
        assert twin.root() is None
        np.testing.assert_array_equal(Sequential(twin).eval().forward(x), out)  # belongs to nobody else


class Pickled:
    """What a pickle of an object of another version is: its class, and its state."""

    def __init__(self, kind, state):
        self.kind, self.state = kind, state

    def __reduce__(self):
        return object.__new__, (self.kind,), self.state


@every_module
def test_a_pickle_of_the_first_version_is_refused_in_one_sentence(kind, index):
    if issubclass(kind, Container):
        state = {"_modules": [], "_owners": [], "_tables": {}, "_storage": None}
    else:
        state = {"_pieces": {}, "_hyper": np.zeros(2), "_storage": None, "_at": (0, 0), "_owners": []}
    pickled = pickle.dumps(Pickled(kind, state))
    text = f"{kind.__name__}: this pickle was made by modnet 0.1.0, which this version cannot read"
    with pytest.raises(ValueError, match=f"^{text}$"):
        pickle.loads(pickled)


@pytest.mark.parametrize("name", ["KernelModule", "ModeModule", "View"])
def test_a_name_of_the_first_version_says_what_replaced_it(name):
    with pytest.raises(ImportError) as raised:
        exec(f"from modnet.module import {name}")
    text = str(raised.value)
    assert text == (
        f"modnet.module: {name} is gone; a module now declares Parameter, State, Setting and Size, and writes its operations "
        "under @operation, see CONTRIBUTING.md"
    )
    assert not hasattr(modnet.module, "KernelModules")


# A second __init__


@every_example
@pytest.mark.parametrize("in_a_network", [False, True], ids=["alone", "in a network"])
def test_a_second_init_is_refused_and_changes_nothing(kind, index, in_a_network):
    class Recorded(kind):
        """Keeps what it is made of."""

        def __init__(self, *arguments, **options):
            self.made_of = arguments, options
            super().__init__(*arguments, **options)

    module = Recorded.examples()[index][0]
    net = Sequential(module, Flatten()) if in_a_network else module
    before, text = [block.copy() for block in storages(net)], repr(module)
    arguments, options = module.made_of
    with pytest.raises((RuntimeError, AttributeError), match=f"make a new {'Recorded'}"):
        kind.__init__(module, *arguments, **options)
    assert repr(module) == text
    assert_same(storages(net), before)


# Classes made from one of the library's


class Mine(Linear):
    """A student's own forward, around that of the library."""

    calls = 0

    def forward(self, X):
        self.calls += 1
        return super().forward(X)


class Doubled(Linear):
    """Another function, with its own derivatives: out = 2 (x W + b)."""

    def forward(self, X):
        return 2 * super().forward(X)

    def backward_update_gradient(self, input, delta):
        super().backward_update_gradient(input, 2 * delta)

    def backward_delta(self, input, delta):
        return super().backward_delta(input, 2 * delta)


class Louder(Tanh):
    """out = 3 tanh(x); the derivative that it inherits reads tanh(x), not what this forward returns."""

    def forward(self, X):
        return 3 * super().forward(X)

    def backward_delta(self, input, delta):
        return super().backward_delta(input, 3 * delta)


def test_a_subclass_that_overrides_an_operation_is_seen_as_python():
    assert not Mine.is_compiled
    assert not Sequential(Mine(2, 2, rng=0)).compiled

    class Named(Linear):
        """Overrides nothing."""

    assert Named.is_compiled
    assert Sequential(Named(2, 2, rng=0)).compiled


def test_a_subclass_with_a_forward_of_its_own_trains_as_the_library_does():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = np.sin(X[:, :2])
    nets = [
        Sequential(Linear(3, 8, rng=1), Tanh(), Dropout(0.2, rng=2), kind(8, 2, rng=3)) for kind in (Linear, Mine)
    ]
    histories = [fit(net, X, y, loss=MSE(), optimizer=Adam(0.01), epochs=3, batch_size=16, rng=4) for net in nets]
    assert nets[1][3].calls >= 12
    np.testing.assert_allclose(nets[1].parameters, nets[0].parameters, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(histories[1].loss, histories[0].loss, rtol=1e-12)
    np.testing.assert_allclose(predict(nets[1], X), predict(nets[0], X), rtol=1e-12, atol=1e-13)
    twin = pickle.loads(pickle.dumps(nets[1]))
    assert twin[3].calls == nets[1][3].calls
    np.testing.assert_array_equal(twin.eval().forward(X), nets[1].eval().forward(X))


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a network"])
def test_a_subclass_may_compute_another_function_with_what_it_inherits(alone):
    rng = np.random.default_rng(5)
    x, delta = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    layer, louder = Doubled(3, 2, rng=0), Louder()
    net = Sequential(layer, louder)
    if alone:
        out = louder.forward(layer.forward(x))
        inner = louder.backward_delta(layer.forward(x), delta)
        layer.backward_update_gradient(x, inner)
        dx = layer.backward_delta(x, inner)
    else:
        out, dx = net.forward(x), net.backward(x, delta)
    h = 2 * (x @ layer.weight + layer.bias)
    np.testing.assert_allclose(out, 3 * np.tanh(h), rtol=1e-12)
    d = delta * 3 * (1 - np.tanh(h) ** 2)
    np.testing.assert_allclose(layer.weight_gradient, 2 * x.T @ d, rtol=1e-11)
    np.testing.assert_allclose(layer.bias_gradient, 2 * d.sum(axis=0), rtol=1e-11)
    np.testing.assert_allclose(dx, 2 * d @ layer.weight.T, rtol=1e-11)


def test_a_subclass_that_forgets_super_init_is_told_so():
    class Forgetful(Linear):
        def __init__(self):
            self.width = 3

    advice = "call super().__init__() in its __init__ first"
    assert message(RuntimeError, lambda: Forgetful().forward(np.ones((1, 3)))) == f"Forgetful: {advice}"
    assert message(RuntimeError, lambda: Sequential(Forgetful())) == f"Sequential[0] Forgetful: {advice}"
    assert message(AttributeError, lambda: Forgetful().weight) == f"Forgetful: weight is not there yet; {advice}"


def test_a_tied_keeps_the_linear_it_was_made_with():
    encoder = Linear(3, 2, rng=0)
    tied = Tied(encoder)
    text = message(AttributeError, setattr, tied, "linear", Linear(300, 200, rng=1))
    assert text == "Tied(2 -> 3): linear is fixed when it is made; make a new Tied"
    np.testing.assert_array_equal(tied.weight, encoder.weight.T)


def test_parameters_of_a_network_can_be_assigned_as_its_weights_can():
    net = Sequential(Linear(2, 3, rng=0), Linear(3, 1, rng=1)).astype("float32")
    weight = net[0].weight
    net.parameters = np.arange(13)
    net.gradient = [1.0] * 13
    assert np.array_equal(weight.ravel(), np.arange(6))
    assert net[1].bias_gradient == 1
    assert net.parameters.dtype == np.float32
    said = message(ValueError, setattr, net, "parameters", np.zeros(12))
    assert said == "Sequential: parameters is given shape (12,), expected (13,)"
    assert net.parameters[12] == 12


def test_a_class_of_ones_own_may_call_its_arrays_parameters_and_gradient():
    class Scale(Module):
        def __init__(self, features):
            self.parameters = np.ones(features)
            self.gradient = np.zeros(features)

        def forward(self, X):
            return X * self.parameters

        def backward_update_gradient(self, input, delta):
            self.gradient += (input * delta).sum(axis=0)

        def backward_delta(self, input, delta):
            return delta * self.parameters

    X = np.random.default_rng(0).normal(size=(40, 2))
    net = Sequential(Scale(2))
    fit(net, X, X * [2.0, -1.0], MSE(), Adam(0.05), epochs=200, rng=0)
    np.testing.assert_allclose(net[0]._parameters, [2.0, -1.0], atol=1e-3)
    assert check_module(Scale(3), (4, 3)).ok
