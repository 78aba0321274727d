"""Which classes and functions of a hand-in are optimizers: bases of others, steps within what trains, those that numba compiles."""

from __future__ import annotations

from modnet.check.handins.classes import is_base, kind_of, loaded_functions, looks_an_optimizer
from modnet.check.handins.loading import Loader


class AdaGrad:
    def __init__(self, lr=0.01):
        self.lr, self.h = lr, {}

    def compute_step(self, key, gradient):
        self.h[key] = self.h.get(key, 0) + gradient**2
        return -self.lr * gradient / (self.h[key] ** 0.5 + 1e-8)


class AdaGradOfAnother(AdaGrad):
    pass


class Optimizer:
    def __init__(self, lr=0.1):
        self.lr = lr


class Whatever(Optimizer):
    def compute_step(self, frobs, wibble):
        return self.lr * frobs * wibble


class SGDTrainer:
    def __init__(self, model, lr=0.1):
        self.model, self.lr = model, lr

    def train(self, X, y, epochs=3):
        for _ in range(epochs):
            self.model.forward(X)
            self.model.backward(y)
            for layer in self.model.layers:
                self._update_layer(layer)

    def _update_layer(self, layer):
        layer.W -= self.lr * layer.dW


def test_an_optimizer_that_others_derive_from_is_one():
    assert not is_base(AdaGrad, {AdaGrad})
    assert kind_of(AdaGrad) == "optim"
    assert is_base(Optimizer, {Optimizer})


def test_an_optimizer_by_its_base_that_is_not_understood_is_said_to_look_like_one():
    assert not kind_of(Whatever)
    assert looks_an_optimizer(Whatever)


def test_what_trains_is_no_optimizer_by_its_inner_step():
    assert kind_of(SGDTrainer) != "optim"


def test_a_step_that_numba_compiles_is_found(tmp_path):
    path = tmp_path / "steps.py"
    path.write_text(
        "from numba import njit\n\n\n@njit\ndef sgd_step(w, dw, lr):\n    return w - lr * dw\n\n\n"
        "def decay(x, data, lr):\n    return x - lr * data\n",
        encoding="utf-8",
    )
    loader = Loader(tmp_path, [path])
    loader.load_all()
    (file,) = loader.files.values()
    assert [(found.cls.__name__, found.kind) for found in loaded_functions(file)] == [("sgd_step", "functions")]
