"""Networks put together by add, which train themselves: right ones as two styles write them, and mistakes with their names."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.networks.assembled import examine_assembled, goes_both_ways, is_assembled
from modnet.check.reading.arguments import NotBuilt


class Network:
    """Layers that update themselves, one example after another."""

    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def use(self, loss, loss_prime):
        self.loss, self.loss_prime = loss, loss_prime

    def through(self, output):
        for layer in self.layers:
            output = layer.forward_propagation(output)
        return output

    def predict(self, input_data):
        return [self.through(x) for x in input_data]

    def backwards(self):
        return reversed(self.layers)

    def error(self, y, output):
        return self.loss_prime(y, output)

    def rate(self, learning_rate):
        return learning_rate

    def fit(self, x_train, y_train, epochs, learning_rate):
        for _ in range(epochs):
            for x, y in zip(x_train, y_train, strict=True):
                output = self.through(x)
                error = self.error(y, output)
                for layer in self.backwards():
                    error = layer.backward_propagation(error, self.rate(learning_rate))


class ForwardOrder(Network):
    def backwards(self):
        return self.layers


class FirstLayerLeftOut(Network):
    def backwards(self):
        return self.layers[:0:-1]


class MinusTheError(Network):
    def error(self, y, output):
        return y - output


class RateWrittenOut(Network):
    def rate(self, learning_rate):
        return 0.01


class LastLayerNotReached(Network):
    def through(self, output):
        for layer in self.layers[:-1]:
            output = layer.forward_propagation(output)
        return output


class PredictsWithoutTheFirst(Network):
    def predict(self, input_data):
        output = np.array(input_data)
        for layer in self.layers[1:]:
            output = layer.forward_propagation(output)
        return output


class Columns(Network):
    """One example is a column, as for layers that compute weights @ input."""

    def through(self, output):
        assert output.shape == (3, 1)
        return super().through(output)


class Start:
    def forward(self, inputs, training):
        self.output = inputs


class Softmax:
    def forward(self, inputs, training):
        e = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        self.output = e / e.sum(axis=1, keepdims=True)


class CategoricalCrossentropy:
    def calculate(self, output, y, *, include_regularization=False):
        return 0.0


class SoftmaxAndLoss:
    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1
        self.dinputs = self.dinputs / len(dvalues)


class Model:
    """add, set, finalize, train; a layer sets output and dinputs, an optimizer moves the layers."""

    def __init__(self):
        self.layers, self.both = [], None

    def add(self, layer):
        self.layers.append(layer)

    def set(self, *, loss, optimizer, accuracy):
        self.loss, self.optimizer, self.accuracy = loss, optimizer, accuracy

    def finalize(self):
        self.start = Start()
        around = [self.start, *self.layers, self.loss]
        for before, layer, after in zip(around, self.layers, around[2:], strict=False):
            layer.prev, layer.next = before, after
        self.trainable_layers = [layer for layer in self.layers if hasattr(layer, "weights")]
        self.loss.remember_trainable_layers(self.trainable_layers)
        if isinstance(self.layers[-1], Softmax) and isinstance(self.loss, CategoricalCrossentropy):
            self.both = SoftmaxAndLoss()

    def batches(self, X, y, size):
        for i in range(0, len(X), size):
            yield X[i : i + size], y[i : i + size]

    def train(self, X, y, *, epochs=1, batch_size=None, print_every=1, validation_data=None):
        self.accuracy.init(y)
        for _ in range(epochs):
            for batch_X, batch_y in self.batches(X, y, batch_size):
                output = self.forward(batch_X, training=True)
                self.loss.calculate(output, batch_y, include_regularization=True)
                self.backward(output, batch_y)
                self.step()

    def step(self):
        self.optimizer.pre_update_params()
        for layer in self.trainable_layers:
            self.optimizer.update_params(layer)
        self.optimizer.post_update_params()

    def forward(self, X, training):
        self.start.forward(X, training)
        for layer in self.layers:
            layer.forward(layer.prev.output, training)
        return layer.output

    def backward(self, output, y):
        if self.both is not None:
            self.both.backward(output, y)
            self.layers[-1].dinputs = self.both.dinputs
            for layer in reversed(self.layers[:-1]):
                layer.backward(layer.next.dinputs)
            return
        self.loss.backward(output, y)
        for layer in reversed(self.layers):
            layer.backward(layer.next.dinputs)

    def predict(self, X):
        return self.forward(X, training=False)


class Drops(Model):
    def batches(self, X, y, size):
        for i in range(len(X) // size):
            yield X[i * size : (i + 1) * size], y[i * size : (i + 1) * size]


class ShufflesOne(Model):
    def batches(self, X, y, size):
        return super().batches(np.random.default_rng(0).permutation(X), y, size)


class OneStepBehind(Model):
    def step(self):
        for layer in self.trainable_layers[1:]:
            self.optimizer.update_params(layer)


class StepTwice(Model):
    def step(self):
        super().step()
        self.optimizer.update_params(self.trainable_layers[0])


class UpdatesAtOnce(Model):
    def backward(self, output, y):
        self.step()
        super().backward(output, y)


class AllFromTheLoss(Model):
    def backward(self, output, y):
        self.loss.backward(output, y)
        for layer in reversed(self.layers):
            layer.backward(self.loss.dinputs)


class InTraining(Model):
    def predict(self, X):
        return self.forward(X, training=True)


class BatchesOfAFloat(Model):
    def evaluate(self, X_val, y_val, batch_size=None):
        for i in range(len(X_val) / batch_size):
            self.forward(X_val[i : i + batch_size], training=False)


class SoftmaxAgain(Model):
    def backward(self, output, y):
        if self.both is None:
            return super().backward(output, y)
        self.both.backward(output, y)
        self.loss.dinputs = self.both.dinputs
        for layer in reversed(self.layers):
            layer.backward(layer.next.dinputs)
        return None


class OneTooFar(Model):
    def backward(self, output, y):
        if self.both is None:
            return super().backward(output, y)
        self.both.backward(output, y)
        self.layers[-2].dinputs = self.both.dinputs
        for layer in reversed(self.layers[:-2]):
            layer.backward(layer.next.dinputs)
        return None


@pytest.mark.parametrize("cls", [Network, Columns, Model])
def test_right_ones(cls):
    assert is_assembled(cls)
    report = examine_assembled(cls)
    assert report.ok, report
    assert len(report.verdicts) >= 6


@pytest.mark.parametrize(
    ("cls", "kind", "where"),
    [
        (ForwardOrder, "order", "fit"),
        (FirstLayerLeftOut, "missing-parameter", "fit"),
        (MinusTheError, "sign", "fit"),
        (RateWrittenOut, "lr-ignored", "fit"),
        (LastLayerNotReached, "forward", "fit"),
        (PredictsWithoutTheFirst, "forward", "predict"),
        (Drops, "left-out", "train"),
        (ShufflesOne, "mispaired", "train"),
        (OneStepBehind, "layer-not-trained", "train"),
        (StepTwice, "scale", "train"),
        (UpdatesAtOnce, "updates-first", "train"),
        (AllFromTheLoss, "chain", "train"),
        (InTraining, "eval-mode", "predict"),
        (BatchesOfAFloat, "crash", "evaluate"),
        (SoftmaxAgain, "softmax-twice", "train"),
        (OneTooFar, "missing-parameter", "train"),
    ],
)
def test_mistakes_have_their_names(cls, kind, where):
    (finding,) = examine_assembled(cls).findings
    assert (finding.kind, finding.where) == (kind, f"{cls.__name__}.{where}")


class Chain:
    """Given its layers; whoever trains has the loss and the step."""

    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class NotReversed(Chain):
    def backward(self, grad):
        for layer in self.layers:
            grad = layer.backward(grad)
        return grad


class TheSameForAll(Chain):
    def backward(self, grad):
        for layer in reversed(self.layers):
            layer.backward(grad)


@pytest.mark.parametrize(("cls", "kinds"), [(Chain, []), (NotReversed, ["order"]), (TheSameForAll, ["chain"])])
def test_a_network_that_others_train(cls, kinds):
    assert goes_both_ways(cls)
    assert not is_assembled(cls)
    report = examine_assembled(cls)
    assert [f.kind for f in report.findings] == kinds, report


def test_what_cannot_be_put_together_is_not_judged():
    class Odd(Network):
        def fit(self, x_train, y_train, epochs, learning_rate):
            for layer in self.layers:
                layer.something_else(x_train)

    with pytest.raises(NotBuilt, match="something_else"):
        examine_assembled(Odd)
