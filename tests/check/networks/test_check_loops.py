"""Training loops of other styles: CS231n's Solver, the Trainers of Deep Learning from Scratch; right ones and mistakes by name."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.networks.loops import examine_loop, is_loop
from modnet.check.reading.arguments import NotBuilt


def sgd(w, dw, config):
    return w - config["learning_rate"] * dw, config


class Solver:
    """model.loss(X, y) gives (loss, grads); options come out of kwargs."""

    def __init__(self, model, data, **kwargs):
        self.model, self.data = model, data
        self.config = kwargs.pop("optim_config", {})
        self.batch_size = kwargs.pop("batch_size", 100)
        self.num_epochs = kwargs.pop("num_epochs", 10)
        self.best_val_acc, self.best_params = 0, {}
        if kwargs:
            raise ValueError(f"unrecognized arguments {list(kwargs)}")

    def batch(self):
        chosen = np.random.choice(len(self.data["X_train"]), self.batch_size)
        return self.data["X_train"][chosen], self.data["y_train"][chosen]

    def move(self, name, w, dw):
        self.model.params[name], _ = sgd(w, dw, self.config)

    def _step(self):
        _, grads = self.model.loss(*self.batch())
        for name, w in self.model.params.items():
            self.move(name, w, grads[name])

    def keep(self):
        self.best_params = {name: array.copy() for name, array in self.model.params.items()}

    def train(self):
        for _ in range(self.num_epochs):
            self._step()
            right = np.argmax(self.model.loss(self.data["X_val"]), axis=1) == self.data["y_val"]
            if right.mean() > self.best_val_acc:
                self.best_val_acc = right.mean()
                self.keep()
        self.model.params = self.best_params


class ChoosesTwice(Solver):
    def batch(self):
        X, _ = super().batch()
        _, y = super().batch()
        return X, y


class FirstBatchOnly(Solver):
    def batch(self):
        return self.data["X_train"][: self.batch_size], self.data["y_train"][: self.batch_size]


class Climbs(Solver):
    def move(self, name, w, dw):
        self.model.params[name] = w + self.config["learning_rate"] * dw


class MovesACopy(Solver):
    def move(self, name, w, dw):
        w = w - self.config["learning_rate"] * dw


class WeightsAlone(Solver):
    def move(self, name, w, dw):
        if name != "b":
            super().move(name, w, dw)


class OwnRate(Solver):
    def move(self, name, w, dw):
        self.model.params[name] = w - 0.01 * dw


class KeepsTheArrays(Solver):
    def move(self, name, w, dw):
        w -= self.config["learning_rate"] * dw

    def keep(self):
        self.best_params = dict(self.model.params)


class SGD:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for key in params:
            params[key] -= self.lr * grads[key]


class Trainer:
    """model.gradient(x, t) gives gradients by name; the optimizer is asked for by its name."""

    def __init__(self, network, x_train, t_train, x_test, t_test, epochs=20, mini_batch_size=100, optimizer="SGD",
                 optimizer_param=None, verbose=True):  # fmt: skip
        self.network, self.x_train, self.t_train, self.epochs = network, x_train, t_train, epochs
        self.batch_size = mini_batch_size
        self.optimizer = {"sgd": SGD}[optimizer.lower()](**(optimizer_param or {}))

    def train_step(self):
        chosen = np.random.choice(len(self.x_train), self.batch_size)
        grads = self.network.gradient(self.x_train[chosen], self.targets()[chosen])
        self.optimizer.update(self.network.params, grads)

    def targets(self):
        return self.t_train

    def train(self):
        for _ in range(self.epochs):
            self.train_step()


class ShufflesTheTruth(Trainer):
    def targets(self):
        return np.random.permutation(self.t_train)


class ModelTrainer:
    """model.forward(x, t), model.backward(), then the optimizer with params and grads in lists."""

    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer

    def fit(self, x, t, max_epoch=10, batch_size=32):
        for _ in range(max_epoch):
            order = self.order(len(x))
            x, t = x[order], t[order]
            for i in range(len(x) // batch_size):
                self.model.forward(x[i * batch_size : (i + 1) * batch_size], t[i * batch_size : (i + 1) * batch_size])
                self.model.backward()
                self.optimizer.update(self.model.params, self.model.grads)

    def order(self, count):
        return np.random.permutation(count)


class NeverShuffled(ModelTrainer):
    def order(self, count):
        return np.arange(count)


class TakesTheRestTwice(ModelTrainer):
    def fit(self, x, t, max_epoch=10, batch_size=32):
        for _ in range(max_epoch):
            order = self.order(len(x))
            some = [order[i : i + batch_size] for i in range(0, len(x), batch_size)]
            for chosen in [*some, some[-1]]:
                self.model.forward(x[chosen], t[chosen])
                self.model.backward()
                self.optimizer.update(self.model.params, self.model.grads)


@pytest.mark.parametrize("cls", [Solver, Trainer, ModelTrainer])
def test_right_ones(cls):
    assert is_loop(cls)
    report = examine_loop(cls)
    assert report.ok, report


@pytest.mark.parametrize(
    ("cls", "kind"),
    [
        (ChoosesTwice, "mispaired"),
        (FirstBatchOnly, "left-out"),
        (Climbs, "sign"),
        (MovesACopy, "layer-not-trained"),
        (WeightsAlone, "layer-not-trained"),
        (OwnRate, "lr-ignored"),
        (KeepsTheArrays, "best-lost"),
        (ShufflesTheTruth, "mispaired"),
        (NeverShuffled, "left-out"),
        (TakesTheRestTwice, "batch-twice"),
    ],
)
def test_mistakes_have_their_names(cls, kind):
    assert [f.kind for f in examine_loop(cls).findings] == [kind]


def test_what_cannot_be_run_is_not_judged():
    class Other(Trainer):
        def train(self):
            self.network.something_else()

    with pytest.raises(NotBuilt, match="something_else"):
        examine_loop(Other)
