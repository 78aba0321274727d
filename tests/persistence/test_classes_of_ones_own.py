"""Classes of one's own in a file: all that a prediction needs comes back, wherever the class keeps it, or saving is refused."""

import threading

import numpy as np
import pytest
from helpers import message

import modnet
from modnet import MSE, BatchNorm, Dropout, Linear, Sequential, Tanh, fit, predict
from modnet.modules.container import Container
from modnet.optim import Adam
from modnet.persistence import FileError


class Plain:
    """A layer by the contract's names alone: moves the mean of what it sees in training, and takes it off."""

    training = True

    def __init__(self, features):
        self.features = features
        self._parameters, self._gradient = np.ones(features), np.zeros(features)
        self.begin()

    def begin(self):
        self.mean = np.zeros(self.features)

    def see(self, X):
        self.mean = 0.5 * self.mean + 0.5 * X.mean(axis=0)

    def now(self):
        return self.mean

    def forward(self, X):
        if self.training:
            self.see(X)
        self._input = X
        return (X - self.now()) * self._parameters

    def zero_grad(self):
        self._gradient[:] = 0

    def backward_update_gradient(self, input, delta):
        self._gradient += (delta * (input - self.now())).sum(axis=0)

    def backward_delta(self, input, delta):
        return delta * self._parameters

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient


class Lazy(Plain):
    def begin(self):
        self.mean = None

    def now(self):
        return 0.0 if self.mean is None else self.mean

    def see(self, X):
        self.mean = X.mean(axis=0) if self.mean is None else 0.5 * self.mean + 0.5 * X.mean(axis=0)


class InNumbers(Plain):
    seen = 0

    def begin(self):
        self.mean = 0.0

    def see(self, X):
        self.seen += 1
        self.mean += np.float32((X.mean() - self.mean) / self.seen)


class InLists(Plain):
    def begin(self):
        self.history = []

    def see(self, X):
        self.history.append((len(X), X.mean(axis=0)))

    def now(self):
        return np.sum([mean for _, mean in self.history], axis=0)


class InDicts(Plain):
    def begin(self):
        self.kept = {"by name": {"mean": 0.0}, 3: None}

    def see(self, X):
        self.kept["by name"]["mean"] = X.mean(axis=0)

    def now(self):
        return self.kept["by name"]["mean"]


class Statistics:
    def __init__(self):
        self.mean, self.function = 0.0, np.add


class InAnObject(Plain):
    def begin(self):
        self.statistics = Statistics()

    def see(self, X):
        self.statistics.mean = X.mean(axis=0)

    def now(self):
        return self.statistics.mean


class WithSlots:
    __slots__ = ("_gradient", "_parameters", "features", "mean", "training")

    def __init__(self, features):
        self.features, self.training, self.mean = features, True, np.zeros(features)
        self._parameters = self._gradient = None

    def forward(self, X):
        self.mean = X.mean(axis=0) if self.training else self.mean
        return X - self.mean

    def backward_delta(self, input, delta):
        return delta


class Around(Plain):
    """Modules of the library inside, which the network knows nothing of."""

    def begin(self):
        self.inside = Sequential(Linear(self.features, 4, rng=0), BatchNorm(4), Dropout(0.5, rng=1), Linear(4, self.features, rng=2))

    def see(self, X):
        self.inside.forward(X)

    def now(self):
        return predict(self.inside, np.ones((1, self.features)))


class Drawing(Plain):
    def begin(self):
        self.rng, self.mean = np.random.default_rng(0), 0.0

    def see(self, X):
        self.mean = self.rng.normal()


class DrawingAsBefore(Drawing):
    def begin(self):
        self.rng, self.mean = np.random.RandomState(0), 0.0


class Views(Plain):
    """The parameters are pieces of one array, and other pieces of it the statistics."""

    def begin(self):
        self.all = np.ones(2 * self.features)
        self._parameters, self.mean = self.all[: self.features], self.all[self.features :]

    def see(self, X):
        self.mean[:] = X.mean(axis=0)


class Reassigning(Plain):
    def update_parameters(self, gradient_step=1e-3):
        self._parameters = self._parameters - gradient_step * self._gradient


class Counting(Linear):
    """One of the library's, with an operation in Python and a number beside."""

    seen = 0

    def forward(self, X):
        self.seen += self.training
        return super().forward(X) + self.seen


class Shifted(Container):
    """A container of one's own, with numbers of its own."""

    def __init__(self, first, second):
        super().__init__(first, second)
        self.shift = np.zeros(3)

    def wire(self, program, x):
        return program.add(self[1], program.add(self[0], x))

    def forward(self, X):
        self.shift += np.mean(X, axis=0)
        return self[1].forward(self[0].forward(X)) + self.shift


KINDS = [Plain, Lazy, InNumbers, InLists, InDicts, InAnObject, WithSlots, Around, Drawing, DrawingAsBefore, Views, Reassigning]
NETS = {kind.__name__: lambda kind=kind: (Sequential(Linear(3, 3, rng=0), kind(3), Tanh()), [kind]) for kind in KINDS}
NETS["Counting"] = lambda: (Sequential(Counting(3, 3, rng=0), Tanh()), [Counting])
NETS["Shifted"] = lambda: (Shifted(Linear(3, 3, rng=0), Tanh()), [Shifted])
NETS["alone"] = lambda: (InNumbers(3), [InNumbers])


@pytest.mark.parametrize("name", NETS)
def test_what_a_class_keeps_anywhere_comes_back(name, tmp_path):
    net, classes = NETS[name]()
    rng, path = np.random.default_rng(0), tmp_path / "net.npz"
    X, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    if name not in ("alone", "Shifted"):
        fit(net, X, np.tanh(y), MSE(), Adam(0.01), epochs=2, progress=False)
    net.training = True
    net.forward(X)
    modnet.save(net, path)
    twin = modnet.load(path, classes=classes)
    np.testing.assert_array_equal(predict(twin, X), predict(net, X), strict=True)
    for _ in range(2):  # in training, where statistics move on and numbers are drawn
        np.testing.assert_array_equal(twin.forward(X), net.forward(X), strict=True)


def anything(rng, depth=0):
    """Numbers, text and arrays in lists, tuples and dicts."""
    kind = rng.integers(12 if depth < 3 else 8)
    if kind < 4:
        dtype = rng.choice(["f8", "f4", "f2", "i8", "u1", "?"])
        return rng.integers(0, 2, size=tuple(rng.integers(0, 4, rng.integers(4)))).astype(dtype).T
    if kind < 8:
        return [None, True, -3, "é\n$", np.float32(0.1), np.int16(3), float("nan"), -0.0, 1 << 80, np.bool_(0)][rng.integers(10)]
    items = [anything(rng, depth + 1) for _ in range(rng.integers(4))]
    if kind < 10:
        return items if kind == 8 else tuple(items)
    return dict(zip(["a", "$array", 5, "is"], items))


def exactly(value):
    """A value with types, and numbers to the bit, as something that can be compared."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype, value.shape, value.tobytes()
    if isinstance(value, list | tuple):
        return type(value), [exactly(item) for item in value]
    if isinstance(value, dict):
        return dict, [(key, exactly(item)) for key, item in value.items()]
    return type(value), repr(value)


class Anything(Plain):
    def begin(self):
        self.kept = None


@pytest.mark.parametrize("seed", range(40))
def test_any_tree_of_numbers_comes_back_with_its_types(seed, tmp_path):
    layer = Anything(2)
    layer.kept = anything(np.random.default_rng(seed))
    modnet.save(layer, tmp_path / "a")
    assert exactly(modnet.load(tmp_path / "a", classes=[Anything]).kept) == exactly(layer.kept)


def test_a_file_holds_an_array_once_and_views_stay_views(tmp_path):
    layer = Views(1000)
    modnet.save(layer, tmp_path / "a")
    assert (tmp_path / "a").stat().st_size < 3 * 8000 + 20_000  # the parameters, and the whole that they are a piece of
    twin = modnet.load(tmp_path / "a", classes=[Views])
    twin.all[:] = 7
    assert (twin._parameters == 7).all()
    assert (twin.mean == 7).all()


def broken_view(layer):
    layer._parameters = layer._parameters.copy()  # `all` is no longer where the parameters are
    layer._parameters[:] = 5


def change(name, value):
    return lambda layer: setattr(layer, name, value)


@pytest.mark.parametrize(
    ("kind", "spoil", "place"),
    [
        (Plain, change("statistics", Statistics()), "statistics"), (Plain, change("function", np.tanh), "function"),
        (Plain, change("seen", {1, 2}), "seen"), (Plain, change("lock", threading.Lock()), "lock"),
        (Plain, change("complex", np.ones(2, complex)), "complex"), (Plain, change("words", np.array(["a"])), "words"),
        (Plain, change("layer", Linear(2, 1, rng=0)), "layer"), (Plain, change("forward", 3), "forward"),
        (InAnObject, lambda layer: change("function", np.subtract)(layer.statistics), "statistics.function"),
        (InAnObject, change("statistics", Plain(3)), "statistics"), (Around, change("inside", Linear(3, 3, rng=0)), "module 0"),
        (Around, lambda layer: layer.inside.append(Linear(3, 3, rng=0)), "inside"), (Views, broken_view, "_parameters"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_keep_is_refused_by_name(kind, spoil, place, tmp_path):
    net = Sequential(kind(3))
    net.forward(np.ones((2, 3)))
    spoil(net[0])
    text = message(TypeError, modnet.save, net, tmp_path / "a")
    assert place in text
    assert kind.__name__ in text
    assert list(tmp_path.iterdir()) == []


def test_saving_builds_the_class_once_and_moves_no_draw(tmp_path):
    class Random(Plain):
        def begin(self):
            self.mean = np.random.normal(size=self.features)

    layer = Random(2)
    np.random.seed(3)
    modnet.save(layer, tmp_path / "a")
    drawn = np.random.random()
    np.random.seed(3)
    assert drawn == np.random.random()
    np.testing.assert_array_equal(modnet.load(tmp_path / "a", classes=[Random]).mean, layer.mean)


def test_two_classes_of_one_name_and_a_layer_that_holds_its_network_are_refused(tmp_path):
    other = type("Plain", (Lazy,), {})
    assert "two classes of this name" in message(TypeError, modnet.save, Sequential(Plain(2), other(2)), tmp_path / "a")

    class Inside(Plain):
        def __init__(self, features, net=None):
            super().__init__(features)
            self.net = net

    net = Sequential(Inside(2))
    net[0].net = net
    assert "holds itself" in message(TypeError, modnet.save, net, tmp_path / "a")


def test_a_file_sets_no_method_and_nothing_of_the_librarys(tmp_path, monkeypatch):
    from modnet.persistence import archive, describe

    real = describe.describe

    def with_attribute(name, value):
        def altered(net):
            tree = real(net)
            tree["modules"][0]["held"]["attributes"][name] = value
            return tree

        return altered

    for net, names in ((Plain(2), ("forward", "__class__", "_gradient")), (Counting(2, 2, rng=0), ("in_features", "_storage", "counts", "weight"))):
        for name in names:
            archive.write(tmp_path / "a", "network", with_attribute(name, 3)(net))
            text = message(FileError, modnet.load, tmp_path / "a", classes=[type(net)])
            assert f"has no attribute {name} that could be set" in text
