"""A file holds all of a network: every module of the library, found by discovery, comes back and answers alike."""

import json
import zipfile

import numpy as np
import pytest
from helpers import DictLinear, MatrixLinear, message, prepared

import modnet
from modnet import (
    BatchNorm,
    Concat,
    Dropout,
    Embedding,
    Linear,
    PReLU,
    Reshape,
    Residual,
    Sequential,
    Tanh,
    Tied,
    handout,
    predict,
)
from modnet.discovery import all_modules
from modnet.modules.container import Container
from modnet.persistence import FileError
from modnet.persistence.describe import library_classes

EXAMPLES = [pytest.param(k, i, id=f"{k.__name__}-{i}") for k in all_modules() for i in range(len(k.examples()))]


def saved(net, tmp_path, **options):
    path = tmp_path / "net.npz"
    modnet.save(net, path)
    return modnet.load(path, **options)


def random_numbers(net, seed=0):
    """Other numbers than those that a constructor draws, in every array."""
    rng = np.random.default_rng(seed)
    net.load_state_dict({name: rng.uniform(0.5, 1.5, a.shape) for name, a in net.state_dict().items()})
    return net


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("kind", "index"), EXAMPLES)
def test_every_module_comes_back_whole(kind, index, dtype, tmp_path):
    module, x = prepared(kind, index, np.random.default_rng(index))
    random_numbers(module).astype(dtype)
    for _ in range(2):
        module.forward(x)  # statistics move, noise is drawn
    twin = saved(module, tmp_path)
    assert type(twin) is type(module)
    assert repr(twin) == repr(module)
    assert twin.dtype == module.dtype
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array, strict=True)
    np.testing.assert_array_equal(predict(twin, x), predict(module, x), strict=True)
    # The next forward in training, with the draw that comes next, and the one after it.
    for _ in range(2):
        np.testing.assert_array_equal(twin.forward(x), module.forward(x), strict=True)


def test_a_network_of_everything_keeps_what_is_shared(tmp_path):
    twice, encoder, drop = Linear(4, 4, rng=0), Linear(4, 3, rng=1), Dropout(0.25, rng=2)
    net = Sequential(
        twice, BatchNorm(4, momentum=0.3), Residual(twice, Tanh()), drop, Concat(Sequential(encoder, PReLU(), Tied(encoder)), twice),
        drop, Reshape(2, -1),
    )  # fmt: skip
    drop.p = 0.4
    net[1].eps = 1e-3
    net[1].eval()
    twin = saved(net, tmp_path)
    assert twin[0] is twin[2][0] is twin[4][1]
    assert twin[4][0][2].linear is twin[4][0][0]
    assert twin[3] is twin[5]
    assert (twin[3].p, twin[1].eps, twin[1].momentum) == (0.4, 1e-3, 0.3)
    assert [m.training for m in twin.leaves()] == [m.training for m in net.leaves()]
    np.testing.assert_array_equal(twin.parameters, net.parameters)
    x = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(twin.forward(x), net.forward(x))
    np.testing.assert_array_equal(net.state_dict()["0.weight"], net.state_dict()["2.0.weight"])


def test_a_slice_and_a_layer_of_a_network_are_saved_alone(tmp_path):
    net = Sequential(Linear(300, 300, rng=0), Tanh(), Linear(300, 2, rng=1))
    path = tmp_path / "part.npz"
    for part in (net[2], net[1:]):
        modnet.save(part, path)
        np.testing.assert_array_equal(modnet.load(path).parameters, net[2].parameters)
        assert path.stat().st_size < 9000


class Scaled:
    """A student's layer with a setting, by the contract's names alone."""

    def __init__(self, features, factor=2.0):
        self.features, self.factor = features, factor
        self._parameters, self._gradient = np.ones(features), np.zeros(features)

    def forward(self, X):
        return X * self._parameters * self.factor

    def backward_delta(self, input, delta):
        return delta * self._parameters * self.factor


class Forgetful(Scaled):
    def __init__(self, count):
        super().__init__(count)


def test_a_students_class_is_rebuilt_if_it_is_given(tmp_path):
    net = Sequential(Linear(3, 2, rng=0), Scaled(2, factor=5.0))
    net[1]._parameters[:] = [7, 8]
    path = tmp_path / "net.npz"
    modnet.save(net, path)
    assert message(FileError, modnet.load, path) == (
        f"load: {path}: holds a module of the class 'Scaled'; if you trust it, load(path, classes=[Scaled])"
    )
    twin = modnet.load(path, classes=[Scaled])
    np.testing.assert_array_equal(twin.forward(np.ones((2, 3))), net.forward(np.ones((2, 3))))


class Doubled(Linear):
    """One of the library's with an operation in Python."""

    def forward(self, X):
        return 2 * super().forward(X)


class Between(Container):
    """A container of one's own, which names its modules in its constructor."""

    def __init__(self, first, second):
        super().__init__(first, second)

    def wire(self, program, x):
        first, second = program.each(self)
        return program.sum(program.add(first, x), x, program.add(second, x))


def test_classes_made_from_the_librarys_come_back(tmp_path):
    net = Sequential(Doubled(3, 3, rng=0), Between(Linear(3, 3, rng=1), Tanh()))
    twin = saved(net, tmp_path, classes=[Doubled, Between])
    x = np.ones((2, 3))
    np.testing.assert_array_equal(twin.forward(x), net.forward(x))
    assert [type(m) for m in twin] == [Doubled, Between]


def test_a_class_that_cannot_be_made_again_is_refused(tmp_path):
    text = message(TypeError, modnet.save, Sequential(Forgetful(2)), tmp_path / "x")
    assert text == (
        "save: Forgetful takes count, but keeps no attribute count, so it cannot be made again; write self.count = count in its "
        "__init__, or save net.state_dict() with numpy.savez"
    )
    assert message(TypeError, modnet.save, tmp_path / "x", Linear(2, 1)).startswith("save: net is ")
    assert list(tmp_path.iterdir()) == []


def test_numpy_reads_the_arrays_and_anybody_the_description(tmp_path):
    net = Linear(2, 3, rng=0)
    modnet.save(net, tmp_path / "net")
    with np.load(tmp_path / "net", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["modules/0/arrays/weight"], net.weight)
    with zipfile.ZipFile(tmp_path / "net") as archive:
        about = json.loads(archive.read("modnet.json"))
    assert about["format"] == "modnet"
    assert about["version"] == 1
    assert about["tree"]["modules"][0]["arguments"] == {"in_features": 2, "out_features": 3, "bias": True}


def test_equal_networks_give_equal_files(tmp_path):
    for name in "ab":
        modnet.save(Linear(2, 3, rng=0), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_networks_of_the_courses_statement_come_back(tmp_path):
    """They draw from numpy's global generator when they are made, which loading leaves where it is."""
    net = handout.AutoEncodeur(
        handout.Sequentiel(handout.Linear(12, 6, bias=True), handout.TanH()), handout.Sequentiel(handout.Linear(6, 12), handout.Sigmoide())
    )
    signal = handout.Sequentiel(handout.Conv1D(3, 1, 4), handout.ReLU(), handout.MaxPool1D(2, 2), handout.Flatten(), handout.Linear(20, 2))
    for network, x in ((net, np.ones((2, 12))), (signal, np.ones((2, 12, 1)))):
        np.random.seed(1)
        twin = saved(network, tmp_path)
        drawn = np.random.random()
        np.random.seed(1)
        assert drawn == np.random.random()
        assert repr(twin) == repr(network)
        assert [type(m) for m in twin.leaves()] == [type(m) for m in network.leaves()]
        np.testing.assert_array_equal(twin.forward(x), network.forward(x))


def test_every_module_of_the_statement_can_be_saved(tmp_path):
    kinds = {kind for name, kind in library_classes().items() if name.startswith("handout.") and not issubclass(kind, Sequential)}
    assert {handout.Linear, handout.Conv1D, handout.LogSoftmax, handout.AvgPool1D} < kinds
    for kind in kinds:
        for module, shape in kind.examples():
            x = np.random.default_rng(0).uniform(size=shape)
            np.testing.assert_array_equal(saved(module, tmp_path).forward(x), module.forward(x))


# state_dict


def test_the_state_is_taken_whole_or_not_at_all():
    net, other = (Sequential(Linear(3, 2, rng=i), BatchNorm(2), MatrixLinear(2, 2, i), DictLinear(2, 1, i)) for i in (0, 1))
    net.forward(np.random.default_rng(0).normal(size=(4, 3)))
    kept = net.state_dict()
    assert {"0.weight", "0.bias", "1.running_mean", "1.running_var"} < set(kept)
    other.load_state_dict(kept)
    x = np.ones((2, 3))
    np.testing.assert_array_equal(predict(other, x), predict(net, x))
    kept["0.weight"][:] = 9  # a copy
    np.testing.assert_array_equal(predict(other, x), predict(net, x))
    before = net.state_dict()
    for change, said in (
        ({"0.bias": np.zeros(3)}, "Sequential: 0.bias has shape (3,), expected (2,)"),
        ({"9.weight": np.zeros(3)}, "Sequential: the state has 9.weight, which the network has not; expected the state of a network built alike"),
        ({"0.weight": "x"}, None),
        ({"1.running_var": [1 + 1j, 2]}, None),
    ):
        with pytest.raises((ValueError, TypeError)) as raised:
            net.load_state_dict({**kept, **change})
        assert said is None or str(raised.value) == said
        np.testing.assert_equal(net.state_dict(), before)
    del kept["1.bias"], kept["0.weight"]
    assert message(ValueError, net.load_state_dict, kept).startswith("Sequential: the state lacks 0.weight, 1.bias; expected")
    del kept["0.bias"]
    assert "the state lacks 0.weight, 0.bias, 1.bias; expected" in message(ValueError, net.load_state_dict, kept)
    del kept["1.weight"]
    assert "the state lacks 0.weight, 0.bias, 1.weight and 1 more; expected" in message(ValueError, net.load_state_dict, kept)
    assert message(TypeError, Linear(2, 1).load_state_dict, 3).startswith("Linear(2 -> 1): load_state_dict got 3, expected")
    embedding = Embedding(3, 2, rng=0)
    assert set(embedding.state_dict()) == {"weight"}
    assert message(ValueError, embedding.astype("float32").load_state_dict, {"weight": np.full((3, 2), 1e300)}).startswith(
        "Embedding(3, 2): weight[0, 0] is 1e+300, too large for float32"
    )
