"""check_update: optimizers as other courses and books write them, right ones and mistakes with their names."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check import check_update
from modnet.check.optimizers import examine_optimizer


class Adam:
    """Deep Learning from Scratch: update(params, grads)."""

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2, self.m, self.v, self.t = lr, beta1, beta2, {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        for name in params:
            self.one(params, name, grads[name])

    def averages(self, name, g):
        self.m[name] = self.beta1 * self.m.get(name, 0) + (1 - self.beta1) * g
        self.v[name] = self.beta2 * self.v.get(name, 0) + (1 - self.beta2) * g * g
        return self.m[name], self.v[name]

    def one(self, params, name, g):
        m, v = self.averages(name, g)
        params[name] -= self.lr * m / (1 - self.beta1**self.t) / (np.sqrt(v / (1 - self.beta2**self.t)) + 1e-8)


class AdamOfTheBook(Adam):
    def one(self, params, name, g):
        m, v = self.averages(name, g)
        rate = self.lr * np.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t)
        params[name] -= rate * m / (np.sqrt(v) + 1e-7)


class AdamUncorrected(Adam):
    def one(self, params, name, g):
        m, v = self.averages(name, g)
        params[name] -= self.lr * m / (np.sqrt(v) + 1e-8)


class AdamFromZero(Adam):
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        super().__init__(lr, beta1, beta2)
        self.t = -1


class AdamCountsParameters(Adam):
    def update(self, params, grads):
        for name in params:
            self.t += 1
            self.one(params, name, grads[name])


class AdamSwapped(Adam):
    def averages(self, name, g):
        self.m[name] = (1 - self.beta1) * self.m.get(name, 0) + self.beta1 * g
        self.v[name] = (1 - self.beta2) * self.v.get(name, 0) + self.beta2 * g * g
        return self.m[name], self.v[name]


class Momentum:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        for name in params:
            key = self.key(name)
            self.v[key] = self.momentum * self.v.get(key, 0) - self.lr * grads[name]
            params[name] += self.v[key]

    def key(self, name):
        return name


class MomentumShared(Momentum):
    def key(self, name):
        return name[0]


class MomentumOfAnAverage(Momentum):
    def update(self, params, grads):
        for name in params:
            self.v[name] = self.momentum * self.v.get(name, 0) + (1 - self.momentum) * grads[name]
            params[name] = params[name] - self.lr * self.v[name]


class MomentumForgets(Momentum):
    def update(self, params, grads):
        self.v = {}
        super().update(params, grads)


class Nesterov(Momentum):
    late = False

    def update(self, params, grads):
        for name in params:
            before = self.v.get(name, np.zeros_like(params[name]))
            self.v[name] = self.momentum * before - self.lr * grads[name]
            params[name] += self.momentum**2 * (self.v[name] if self.late else before)
            params[name] -= (1 + self.momentum) * self.lr * grads[name]


class MomentumAhead(Nesterov):
    """Called a momentum, and Nesterov's."""


class NesterovLate(Nesterov):
    late = True


class AdaGrad:
    eps = 1e-7

    def __init__(self, lr=0.01):
        self.lr, self.h = lr, {}

    def update(self, params, grads):
        for name in params:
            self.h[name] = self.h.get(name, 0) + grads[name] ** 2
            params[name] -= self.lr * grads[name] / (np.sqrt(self.h[name]) + self.eps)


class AdaGradUnguarded(AdaGrad):
    eps = 0


class SGD:
    """A list of parameters and one of gradients."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for i in range(len(params)):
            params[i] -= self.lr * grads[i]


class SGDAlong(SGD):
    def update(self, params, grads):
        for i in range(len(params)):
            params[i] += self.lr * grads[i]


class Optimizer_SGD:
    """Neural Networks from Scratch: update_params(layer), between pre_ and post_update_params()."""

    def __init__(self, learning_rate=1.0, decay=0.0, momentum=0.0):
        self.learning_rate = self.current_learning_rate = learning_rate
        self.decay, self.momentum, self.iterations = decay, momentum, 0

    def pre_update_params(self):
        if self.decay:
            self.current_learning_rate = self.learning_rate / (1 + self.decay * self.iterations)

    def update_params(self, layer):
        if self.momentum and not hasattr(layer, "weight_momentums"):
            layer.weight_momentums, layer.bias_momentums = np.zeros_like(layer.weights), np.zeros_like(layer.biases)
        weights, biases = -self.current_learning_rate * layer.dweights, -self.current_learning_rate * layer.dbiases
        if self.momentum:
            weights = layer.weight_momentums = self.momentum * layer.weight_momentums + weights
            biases = layer.bias_momentums = self.momentum * layer.bias_momentums + biases
        layer.weights += weights
        layer.biases += biases

    def post_update_params(self):
        self.iterations += 1


class Optimizer_SGD_Decays_Early(Optimizer_SGD):
    def update_params(self, layer):
        self.pre_update_params()
        super().update_params(layer)
        self.iterations += 1


class SGDOfAModel:
    """CMU's mytorch: step() over model.layers."""

    first = 0

    def __init__(self, model, lr=0.1):
        self.layers, self.lr = model.layers, lr

    def step(self):
        for layer in self.layers[self.first :]:
            layer.W = layer.W - self.lr * layer.dLdW
            layer.b = layer.b - self.lr * layer.dLdb


class SGDLeavesOne(SGDOfAModel):
    first = 1


class SGDThatIgnoresIt(SGDOfAModel):
    def __init__(self, model, lr=0.1, momentum=0):
        super().__init__(model, lr)


class SGDOfOne:
    def update(self, parameter, gradient, lr):
        return parameter - lr * gradient


def sgd_momentum(w, dw, config=None):
    """CS231n."""
    v = config["momentum"] * config.get("velocity", np.zeros_like(w)) - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config


def rmsprop(w, dw, config=None):
    cache = config["decay_rate"] * config.get("cache", np.zeros_like(w)) + (1 - config["decay_rate"]) * dw**2
    config["cache"] = cache
    return w - config["learning_rate"] * dw / (np.sqrt(cache) + 1e-8), config


def rmsprop_without_root(w, dw, config=None):
    cache = config["decay_rate"] * config.get("cache", np.zeros_like(w)) + (1 - config["decay_rate"]) * dw**2
    config["cache"] = cache
    return w - config["learning_rate"] * dw / (cache + 1e-8), config


RIGHT = [
    Adam, AdamOfTheBook, Momentum, MomentumAhead, Nesterov, AdaGrad, SGD, Optimizer_SGD, SGDOfAModel, SGDOfOne, sgd_momentum, rmsprop,
    MomentumOfAnAverage, Adam(0.01, 0.8, 0.99),
]  # fmt: skip


def update_parameters(parameters, grads, learning_rate=1.2):
    for i in range(1, len(parameters) // 2 + 1):
        parameters[f"W{i}"] = parameters[f"W{i}"] - learning_rate * grads[f"dW{i}"]
        parameters[f"b{i}"] = parameters[f"b{i}"] - learning_rate * grads[f"db{i}"]
    return parameters


def update_parameters_with_momentum(parameters, grads, v, beta, learning_rate):
    for name in parameters:
        v["d" + name] = beta * v["d" + name] + (1 - beta) * grads["d" + name]
        parameters[name] = parameters[name] - learning_rate * v["d" + name]
    return parameters, v


def update_parameters_with_adam(parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
    for name in parameters:
        key = "d" + name
        v[key] = beta1 * v[key] + (1 - beta1) * grads[key]
        s[key] = beta2 * s[key] + (1 - beta2) * grads[key] ** 2
        m, h = v[key] / (1 - beta1**t), s[key] / (1 - beta2**t)
        parameters[name] = parameters[name] - learning_rate * m / (np.sqrt(h) + epsilon)
    return parameters, v, s


def update_of_lists(weights, gradients, velocity, momentum, lr):
    velocity = [momentum * v - lr * g for v, g in zip(velocity, gradients, strict=True)]
    return [w + v for w, v in zip(weights, velocity, strict=True)], velocity


def update_along(parameters, grads, learning_rate):
    return {name: parameters[name] + learning_rate * grads["d" + name] for name in parameters}


def update_with_adam_uncorrected(parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999):
    for name in parameters:
        v["d" + name] = beta1 * v["d" + name] + (1 - beta1) * grads["d" + name]
        s["d" + name] = beta2 * s["d" + name] + (1 - beta2) * grads["d" + name] ** 2
        parameters[name] -= learning_rate * v["d" + name] / (np.sqrt(s["d" + name]) + 1e-8)
    return parameters, v, s


def update_two_layers(parameters, grads, learning_rate=1.2):
    """Written for two layers."""
    W1, b1, W2, b2 = (parameters[n] - learning_rate * grads["d" + n] for n in ("W1", "b1", "W2", "b2"))
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


def update_by_a_fixed_rate(parameters, grads, learning_rate):
    return {name: parameters[name] - 1.0 * grads["d" + name] for name in parameters}


class SGD_Optimizer(Optimizer_SGD):
    """The same by other names."""

    def pre_update(self):
        super().pre_update_params()

    def update_parameters(self, dense_layer):
        super().update_params(dense_layer)

    def post_update(self):
        super().post_update_params()

    pre_update_params = post_update_params = update_params = None


RIGHT += [update_two_layers, update_parameters, update_parameters_with_momentum, update_parameters_with_adam, update_of_lists, SGD_Optimizer]


@pytest.mark.parametrize("made", RIGHT)
def test_right_optimizers_of_every_style_are_right(made):
    report = check_update(made)
    assert report.ok, report
    assert ("the rule", "right") in [row[:2] for row in report.verdicts]


@pytest.mark.parametrize(
    ("made", "kind", "told"),
    [
        (AdamUncorrected, "bias-correction", "not corrected"),
        (AdamFromZero, "bias-correction", "NaN"),
        (AdamCountsParameters, "bias-correction", "at every parameter"),
        (AdamSwapped, "swapped", "beta and 1 - beta"),
        (MomentumShared, "shared-state", "another layer"),
        (MomentumForgets, "state-lost", "like the first"),
        (NesterovLate, "updates-first", "velocity"),
        (AdaGradUnguarded, "saturates", "0 / 0"),
        (SGDAlong, "sign", "along"),
        (Optimizer_SGD_Decays_Early, "shared-state", "decays at every layer"),
        (SGDLeavesOne, "layer-not-trained", "W1, b1"),
        (SGDThatIgnoresIt, "option-ignored", "with momentum=0.8: it has no effect"),
        (rmsprop_without_root, "missing-root", "root"),
        (update_along, "sign", "along"),
        (update_with_adam_uncorrected, "bias-correction", "not corrected"),
        (update_by_a_fixed_rate, "lr-ignored", "no effect"),
    ],
)
def test_mistakes_in_optimizers_are_named(made, kind, told):
    report = check_update(made)
    assert [f.kind for f in report.findings] == [kind], report
    assert told in report.findings[0].message


class AdamW(Adam):
    """The decay of the weights is not the rule's, and is switched off."""

    def __init__(self, lr=0.001, weight_decay=0.01):
        super().__init__(lr)
        self.weight_decay = weight_decay

    def one(self, params, name, g):
        params[name] -= self.lr * self.weight_decay * params[name]
        super().one(params, name, g)


class Smoothing:
    def __init__(self, alpha=0.1):
        self.alpha, self.value = alpha, 0

    def update(self, value):
        self.value = (1 - self.alpha) * self.value + self.alpha * 1.0


def test_what_has_no_known_rule_is_not_judged():
    assert check_update(AdamW).ok
    report = check_update(Smoothing)
    assert report.ok
    assert [row[1] for row in report.verdicts] == ["not checked"]


def test_what_it_is_given_is_said_if_it_is_none():
    with pytest.raises(TypeError, match="expected the class"):
        check_update(SGDOfAModel(type("Model", (), {"layers": []})))
    with pytest.raises(TypeError, match="neither update"):
        check_update(object())
    assert "new arrays into params" in check_update(MomentumOfAnAverage).notes[0]


class Dense:
    """A layer of the author's own, which the optimizer asks isinstance for."""

    @property
    def params(self):
        return {"weights": self.weights, "biases": self.biases}

    def backward(self, dout):
        return dout


class ModelStep:
    """step(model), for the layers of one class."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def step(self, model):
        for layer in model.layers:
            if isinstance(layer, Dense):
                self.move(layer)

    def move(self, layer):
        layer.weights -= self.lr * layer.dweights
        layer.biases -= self.lr * layer.dbiases


class SgdOfTheModel(ModelStep):
    pass


class SgdClimbsTheModel(ModelStep):
    def move(self, layer):
        layer.weights += self.lr * layer.dweights
        layer.biases += self.lr * layer.dbiases


class SgdOfLayers:
    """step(layers), whose parameters and gradients are lists."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def step(self, layers):
        for layer in layers:
            for parameter, gradient in zip(layer.parameters, layer.gradients, strict=True):
                parameter -= self.lr * gradient


@pytest.mark.parametrize(("cls", "kinds"), [(SgdOfTheModel, []), (SgdClimbsTheModel, ["sign"]), (SgdOfLayers, [])])
def test_a_step_may_be_given_the_model_or_its_layers(cls, kinds):
    report = check_update(cls)
    assert [f.kind for f in report.findings] == kinds, report
    assert report.verdicts


class AdamOfTheNetwork:
    """update(), of one that was given the network; layers move themselves by what they are told."""

    power = True

    def __init__(self, nn, lr, b1, b2):
        self.nn, self.lr, self.b1, self.b2, self.t = nn, lr, b1, b2, 0
        self.m, self.v = ([[np.zeros_like(layer.W), np.zeros_like(layer.B)] for layer in nn.layers] for _ in "mv")

    def update(self):
        self.t += 1
        for i, layer in enumerate(self.nn.layers):
            moves = []
            for k, g in enumerate((layer.W_grad, layer.B_grad)):
                self.m[i][k] = self.b1 * self.m[i][k] + (1 - self.b1) * g
                self.v[i][k] = self.b2 * self.v[i][k] + (1 - self.b2) * g**2
                t = self.t if self.power else 1
                m, v = self.m[i][k] / (1 - self.b1**t), self.v[i][k] / (1 - self.b2**t)
                moves.append(self.lr * m / np.sqrt(v + 1e-10))
            layer.update(*moves)


class AdamWithoutPower(AdamOfTheNetwork):
    power = False


class MomentumOfPairs:
    """step(gradients) gives what is to be taken from each pair of weights and bias."""

    sign = 1

    def __init__(self, learning_rate, momentum=0.9):
        self.learning_rate, self.momentum, self.velocity = learning_rate, momentum, None

    def step(self, gradients):
        if self.velocity is None:
            self.velocity = [(np.zeros_like(w), np.zeros_like(b)) for w, b in gradients]
        updates = []
        for i, (w, b) in enumerate(gradients):
            v, c = self.velocity[i]
            v = self.sign * self.momentum * v + self.learning_rate * w
            c = self.sign * self.momentum * c + self.learning_rate * b
            self.velocity[i] = (v, c)
            updates.append((v, c))
        return updates


class MomentumAgainstItself(MomentumOfPairs):
    sign = -1


class SGDOfALayersArrays:
    """minimize(w, b, dw, db) gives new ones."""

    def __init__(self, alpha=0.01):
        self.alpha = alpha

    def minimize(self, w, b, dw, db):
        return w - self.alpha * dw, b - self.alpha * db


class MomentumOfALayer:
    """One for each layer, whose sizes it is given."""

    def __init__(self, n_inputs, n_outputs, learning_rate, beta=0.9):
        self.v, self.c = np.zeros((n_inputs, n_outputs)), np.zeros(n_outputs)
        self.learning_rate, self.beta = learning_rate, beta

    def update(self, t, w, b, dW, db):
        self.v = self.beta * self.v + (1 - self.beta) * dW
        self.c = self.beta * self.c + (1 - self.beta) * db
        return w - self.learning_rate * self.v, b - self.learning_rate * self.c


class OptimizerRMSProp:
    """get_update(grad, key), of one parameter."""

    key = True

    def __init__(self, eta=0.01, rho=0.9):
        self.eta, self.rho, self.h = eta, rho, {}

    def get_update(self, grad, name):
        name = name if self.key else 0
        self.h[name] = self.rho * self.h.get(name, np.zeros_like(grad)) + (1 - self.rho) * grad**2
        return self.eta * grad / (np.sqrt(self.h[name]) + 1e-8)


class AdaGradOfObjects:
    """step() over parameters that know their gradients."""

    root = 0.5

    def __init__(self, params, lr=0.01):
        self.params, self.lr = params, lr
        self.h = [np.zeros_like(p.data) for p in params]

    def step(self):
        for p, h in zip(self.params, self.h, strict=True):
            h += p.grad**2
            p.data -= self.lr * p.grad / (h**self.root + 1e-8)


class AdaGradWithoutRoot(AdaGradOfObjects):
    root = 1


class SGDOfNumberedNames:
    """update(parameters, grads), by W1, b1 and dW1, db1."""

    def __init__(self, learning_rate=0.01):
        self.learning_rate = learning_rate

    def update(self, parameters, grads):
        for i in range(len(parameters) // 2):
            for n in "Wb":
                parameters[f"{n}{i + 1}"] = parameters[f"{n}{i + 1}"] - self.learning_rate * grads[f"d{n}{i + 1}"]
        return parameters


class SGDOfNames:
    """What it keeps belongs to the class; momentum has to be given, and is that of an average."""

    cache = {}

    def __init__(self, lr, momentum):
        self.lr, self.momentum = lr, momentum

    def update(self, param, param_grad, param_name):
        v = self.momentum * self.cache.get(param_name, 0) + (1 - self.momentum) * param_grad
        self.cache[param_name] = v
        return param - self.lr * v


class SGDThatDecays(SGD):
    def __init__(self, lr=0.01, weight_decay=0.0):
        super().__init__(lr)
        self.weight_decay = weight_decay

    def update(self, params, grads):
        for i in range(len(params)):
            params[i] -= self.lr * (grads[i] + self.decay(params[i], grads[i]))

    def decay(self, w, g):
        return self.weight_decay * w


class SGDThatGrows(SGDThatDecays):
    def decay(self, w, g):
        return -self.weight_decay * w


class SGDThatDecaysTheGradient(SGDThatDecays):
    def decay(self, w, g):
        return self.weight_decay * g**2


class SGDOfTwoLists:
    """update(weights, biases, dW, db), each a list with one for each layer."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, weights, biases, dW, db):
        assert isinstance(weights, list)
        for i in range(len(weights)):
            weights[i] = weights[i] - self.lr * dW[i]
            biases[i] = biases[i] - self.lr * db[i]


class SGDOfTheBiases(SGDOfTwoLists):
    def update(self, weights, biases, dW, db):
        super().update(list(weights), biases, dW, db)


@pytest.mark.parametrize(
    ("cls", "kinds"),
    [
        (SGDThatDecays, []), (SGDThatGrows, ["sign"]), (SGDThatDecaysTheGradient, ["regulariser"]),
        (SGDOfNames, ["shared-state"]), (AdamOfTheNetwork, []), (AdamWithoutPower, ["bias-correction"]), (MomentumOfPairs, []),
        (MomentumAgainstItself, ["sign"]), (SGDOfALayersArrays, []), (MomentumOfALayer, []), (OptimizerRMSProp, []), (AdaGradOfObjects, []),
        (AdaGradWithoutRoot, ["missing-root"]), (SGDOfNumberedNames, []), (SGDOfTwoLists, []),
        (SGDOfTheBiases, ["layer-not-trained"]),
    ],
)  # fmt: skip
def test_what_an_optimizer_asks_for_says_how_it_is_given(cls, kinds):
    report = check_update(cls)
    assert [f.kind for f in report.findings] == kinds, report
    assert kinds not in ([], ["shared-state"]) or ("the rule", "right") in [row[:2] for row in report.verdicts]


class NetOfPairs:
    """A network that gives its parameters with their gradients."""

    def __init__(self, layers):
        self.layers = layers

    def params_and_grads(self):
        for layer in self.layers:
            for name, param in layer.params.items():
                yield param, layer.grads[name]


class SgdOfPairs:
    def __init__(self, lr=0.01):
        self.lr = lr

    def step(self, net):
        for param, grad in net.params_and_grads():
            param -= self.lr * grad


class SgdOfPairsClimbs(SgdOfPairs):
    def step(self, net):
        for param, grad in net.params_and_grads():
            param += self.lr * grad


def test_an_optimizer_is_given_a_model_with_the_methods_of_its_authors_network():
    assert examine_optimizer(SgdOfPairs, networks=[NetOfPairs]).verdicts[0][:2] == ("the rule", "right")
    assert [f.kind for f in examine_optimizer(SgdOfPairsClimbs, networks=[NetOfPairs]).findings] == ["sign"]
    alone = examine_optimizer(SgdOfPairs)
    assert alone.ok
    assert alone.verdicts[0][1] == "not checked"


# --- optimizers that are given the rate with each step, and those of a deep-learning exercise --------------------------


class ByGamma:
    """Its alpha is the share of the velocity: the rate comes with the step."""

    def __init__(self, alpha):
        self.alpha, self.v = alpha, 0

    def update(self, lr, dw):
        self.v = self.alpha * self.v + lr * dw
        return self.v


class MomentumByGamma(ByGamma):
    pass


class MomentumOfSquares(ByGamma):
    def update(self, lr, dw):
        return super().update(lr, dw**2)


class MomentumSGD(ByGamma):
    def __init__(self, momentum=0.9):
        super().__init__(0.9)


class RMSProp:
    def __init__(self, decay):
        self.decay, self.s = decay, 0

    def update(self, lr, dw):
        self.s = self.decay * self.s + (1 - self.decay) * dw**2
        return lr * dw / (np.sqrt(self.s) + 1e-8)


class AdamOfTensors:
    def __init__(self, learning_rate, mu, rho):
        self.learning_rate, self.mu, self.rho = learning_rate, mu, rho
        self.v = self.r = self.k = 0

    def correct(self, moment, share):
        return moment / (1 - share**self.k)

    def calculate_update(self, weight_tensor, gradient_tensor):
        self.k += 1
        self.v = self.mu * self.v + (1 - self.mu) * gradient_tensor
        self.r = self.rho * self.r + (1 - self.rho) * gradient_tensor**2
        step = self.correct(self.v, self.mu) / (np.sqrt(self.correct(self.r, self.rho)) + 1e-15)
        return weight_tensor - self.learning_rate * step


class AdamOfTensorsUncorrected(AdamOfTensors):
    def correct(self, moment, share):
        return moment


@pytest.mark.parametrize("cls", [MomentumByGamma, RMSProp, AdamOfTensors])
def test_numbers_beside_a_rate_that_a_step_is_given_are_the_rules(cls):
    report = check_update(cls)
    assert report.ok, report
    assert "the rule" in [row[0] for row in report.verdicts]


@pytest.mark.parametrize(
    ("cls", "kind"),
    [(MomentumOfSquares, "direction"), (MomentumSGD, "option-ignored"), (AdamOfTensorsUncorrected, "bias-correction")],
)
def test_what_such_an_optimizer_does_wrong_is_named(cls, kind):
    assert [f.kind for f in check_update(cls).findings] == [kind]


class SGDOfShortNames:
    """step(net), of layers with W, b, gW and gb."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def step(self, net):
        for layer in net.layers:
            if hasattr(layer, "W"):
                layer.W -= self.lr * layer.gW
                layer.b -= self.lr * layer.gb


class SGDOfUnknownNames(SGDOfShortNames):
    def step(self, net):
        for layer in net.layers:
            if hasattr(layer, "omega"):
                layer.omega -= self.lr * layer.slope


class RMSPropOfOneGradient:
    """layer.grads is the gradient of the weights, grads_bias that of the bias; made with the model."""

    def __init__(self, model, lr=0.01, rho=0.9):
        self.model, self.lr, self.rho = model, lr, rho
        self.h = [[np.zeros_like(layer.weights), np.zeros_like(layer.bias)] for layer in model.layers]

    def step(self):
        for layer, h in zip(self.model.layers, self.h, strict=True):
            for i, (name, g) in enumerate([("weights", layer.grads), ("bias", layer.grads_bias)]):
                h[i] = self.rho * h[i] + (1 - self.rho) * g**2
                setattr(layer, name, getattr(layer, name) - self.lr * g / (np.sqrt(h[i]) + 1e-8))


class MomentumOfANetsLists:
    """step(nn), which has lists of matrices and of biases."""

    shared = False

    def __init__(self, eta=0.1, gamma=0.9):
        self.eta, self.gamma, self.v = eta, gamma, {}

    def step(self, nn):
        for i in range(len(nn.weights)):
            for own, g in (("weights", nn.dweights[i]), ("biases", nn.dbiases[i])):
                key = own if self.shared else (own, i)
                self.v[key] = self.gamma * self.v.get(key, 0) + self.eta * g
                getattr(nn, own)[i] -= self.v[key]


class MomentumOfANetsListsShared(MomentumOfANetsLists):
    shared = True


class AdamThatIsInitialized(Adam):
    """initialize(model), then update(model, grads): dicts by name; its rate is called alpha."""

    def __init__(self, alpha=0.001, beta1=0.9, beta2=0.999):
        self.alpha, self.beta1, self.beta2, self.t = alpha, beta1, beta2, 0

    def initialize(self, model):
        self.m, self.v = ({n: np.zeros_like(p) for n, p in model.params.items()} for _ in "mv")

    def update(self, model, grads):
        self.t += 1
        for name in model.params:
            m, v = self.averages(name, grads[name])
            m, v = m / (1 - self.beta1**self.t), self.corrected(v)
            model.params[name] -= self.alpha * m / (np.sqrt(v) + 1e-8)

    def corrected(self, v):
        return v / (1 - self.beta2**self.t)


class AdamThatIsInitializedHalfCorrected(AdamThatIsInitialized):
    def corrected(self, v):
        return v


class SGDThatIsCompiled:
    """compile(layers), then step()."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def compile(self, layers):
        self.layers = layers

    def step(self):
        for layer in self.layers:
            layer.W -= self.lr * layer.dW
            layer.b -= self.lr * layer.db


class NAdam(Adam):
    def one(self, params, name, g):
        m, v = self.averages(name, g)
        m, below = m / (1 - self.beta1**self.t), 1 - self.beta1**self.t
        params[name] -= self.lr * self.ahead(m, g, below) / (np.sqrt(v / (1 - self.beta2**self.t)) + 1e-8)

    def ahead(self, m, g, below):
        return self.beta1 * m + (1 - self.beta1) * g / below


class NAdamThatIsAdam(NAdam):
    def ahead(self, m, g, below):
        return m


class NesterovInTwoHalves:
    """pre_step goes ahead, where the gradients are computed; step starts from where it was."""

    sign = -1

    def __init__(self, network, lr=0.01, mu=0.9):
        self.layers, self.lr, self.mu = network.modules, lr, mu
        self.v = [{n: np.zeros_like(p) for n, p in layer.params.items()} for layer in self.layers]

    def pre_step(self):
        self.start = [{n: p.copy() for n, p in layer.params.items()} for layer in self.layers]
        for layer, v in zip(self.layers, self.v, strict=True):
            for n in v:
                layer.params[n] += self.sign * self.mu * v[n]

    def step(self):
        for layer, v, start in zip(self.layers, self.v, self.start, strict=True):
            for n in v:
                v[n] = self.mu * v[n] + self.lr * layer.grads[n]
                layer.params[n] = start[n] - v[n]


class NesterovBehind(NesterovInTwoHalves):
    sign = 1


class AdamWDecoupled(AdamW):
    """Its own decay, which goes into neither average."""


class AdamWThatIsL2(AdamW):
    def update(self, params, grads):
        super().update(params, {n: g + self.weight_decay * params[n] for n, g in grads.items()})

    def one(self, params, name, g):
        Adam.one(self, params, name, g)


class GradientDescentOfTraining:
    """A step trains for epochs; one layer's is inside. Layers have a factor for the decay of their weights."""

    sign = 1

    def __init__(self, network, learning_rate, decay):
        self._net, self._lr, self._decay = network._net, learning_rate, decay

    def step(self, X, y, n_epochs):
        raise AssertionError("this trains")

    def _update_layer_params(self, l):  # noqa: E741
        l._W -= self._lr * (l._grad_W + self.sign * l._lambda * l._W)
        l._b -= self._lr * (l._grad_b + self.sign * l._lambda * l._b)
        l.zero_grad()


class GradientDescentThatGrows(GradientDescentOfTraining):
    sign = -1


@pytest.mark.parametrize(
    ("cls", "kinds"),
    [
        (SGDOfShortNames, []), (RMSPropOfOneGradient, []), (MomentumOfANetsLists, []), (MomentumOfANetsListsShared, ["shared-state"]),
        (AdamThatIsInitialized, []), (AdamThatIsInitializedHalfCorrected, ["bias-correction"]), (SGDThatIsCompiled, []),
        (NAdam, []), (NAdamThatIsAdam, ["option-ignored"]), (NesterovInTwoHalves, []), (NesterovBehind, ["sign"]),
        (AdamWDecoupled, []), (AdamWThatIsL2, ["regulariser"]),
        (GradientDescentOfTraining, []), (GradientDescentThatGrows, ["sign"]),
    ],
)  # fmt: skip
def test_what_holds_the_parameters_is_found_out_from_what_a_step_asks_for(cls, kinds):
    report = check_update(cls)
    assert [f.kind for f in report.findings] == kinds, report
    assert kinds or ("the rule", "right") in [row[:2] for row in report.verdicts]


def test_what_it_asks_for_in_vain_is_no_mistake_of_its_own():
    report = check_update(SGDOfUnknownNames)
    assert report.ok
    assert "omega" in str(report)


def update_variables_rmsprop(alpha, beta2, epsilon, var, grad, s):
    s = beta2 * s + (1 - beta2) * grad**2
    return var - alpha * grad / (np.sqrt(s) + epsilon), s


def update_variables_rmsprop_without_square(alpha, beta2, epsilon, var, grad, s):
    s = beta2 * s + (1 - beta2) * grad
    return var - alpha * grad / (np.sqrt(s) + epsilon), s


def perceptron_sgd(perceptron_model, grad, lr=0.1):
    dw, db = grad
    perceptron_model.w -= lr * dw
    perceptron_model.b -= lr * db


def perceptron_sgd_of_the_bias(perceptron_model, grad, lr=0.1):
    perceptron_model.w -= lr * grad[0]
    perceptron_model.b += lr * grad[1]


def momentum_with_a_memory(variables, gradients, config, state):
    at = 0
    for of_layer, its_gradients in zip(variables, gradients, strict=True):
        for value, gradient in zip(of_layer, its_gradients, strict=True):
            velocity = state.setdefault(at, np.zeros_like(gradient))
            np.add(config["momentum"] * velocity, config["learning_rate"] * gradient, out=velocity)
            value -= velocity
            at += 1


def momentum_with_a_memory_of_the_weights(variables, gradients, config, state):
    momentum_with_a_memory([layer[:1] for layer in variables], [layer[:1] for layer in gradients], config, state)


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (update_variables_rmsprop, []), (update_variables_rmsprop_without_square, ["missing-square"]),
        (perceptron_sgd, []), (perceptron_sgd_of_the_bias, ["sign"]),
        (momentum_with_a_memory, []), (momentum_with_a_memory_of_the_weights, ["layer-not-trained"]),
    ],
)  # fmt: skip
def test_functions_that_take_a_step_in_any_order_of_arguments(function, kinds):
    report = check_update(function)
    assert [f.kind for f in report.findings] == kinds, report
    assert kinds or ("the rule", "right") in [row[:2] for row in report.verdicts]


class AdamOfANetsLists:
    """Made with a model that has lists of both; step(grads) is given a pair of lists."""

    def __init__(self, model, learning_rate=1e-3, beta_1=0.9, beta_2=0.999):
        self.model, self.lr, self.beta_1, self.beta_2, self.t = model, learning_rate, beta_1, beta_2, 0
        self.m, self.v = ([0] * (len(model.ws) + len(model.bs)) for _ in "mv")

    def step(self, grads):
        dws, dbs = grads
        self.t += 1
        moved = []
        for i, (p, g) in enumerate(zip(self.model.ws + self.model.bs, dws + dbs, strict=True)):
            self.m[i] = self.beta_1 * self.m[i] + (1 - self.beta_1) * g
            self.v[i] = self.beta_2 * self.v[i] + (1 - self.beta_2) * g * g
            m, v = self.m[i] / (1 - self.beta_1**self.t), self.v[i] / (1 - self.beta_2**self.t)
            moved.append(p - self.lr * m / (np.sqrt(v) + 1e-8))
        self.model.ws, self.model.bs = moved[: len(dws)], moved[len(dws) :]


class SgdOfExamples:
    """Its gradients have an axis of examples, which the stand-ins do not have."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def step(self, net, grads):
        for name in net.weights:
            net.weights[name] -= self.lr * np.mean(grads[name], 0)


def test_a_model_may_have_lists_that_are_replaced():
    assert check_update(AdamOfANetsLists).ok
    assert "Adam's" in str(check_update(AdamOfANetsLists))


def test_gradients_with_an_axis_more_are_not_judged():
    report = check_update(SgdOfExamples)
    assert report.ok
    assert "single examples" in str(report)


class NesterovByAWord:
    """Nesterov's only if it is told so."""

    def __init__(self, lr=0.01, momentum=0.9, nesterov=False):
        self.lr, self.momentum, self.nesterov, self.v = lr, momentum, nesterov, {}

    def step(self, layers, batch_size):
        for i, layer in enumerate(layers):
            for name in layer.params:
                g = layer.grads[name] / batch_size
                v = self.v[i, name] = self.momentum * self.v.get((i, name), 0) + g
                layer.params[name] -= self.lr * (g + self.momentum * v if self.nesterov else v)


class GradientDescentThatFits:
    """Its parameters are made by fit, which is not called here."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def fit(self, X, y):
        self.w, self.b = np.zeros(X.shape[1]), 0.0

    def update_weights(self, dw, db):
        self.w -= self.lr * dw
        self.b -= self.lr * db


def test_what_it_is_to_be_told_first_is_no_mistake_of_its_own():
    assert check_update(NesterovByAWord).ok
    report = check_update(GradientDescentThatFits)
    assert report.ok
    assert [row[1] for row in report.verdicts] == ["not checked"]


class AskingGetters:
    """Right: layers are asked and told by methods, also what it keeps beside."""

    moves = -1.0

    def __init__(self, learning_rate=1.0, momentum=0.5):
        self.learning_rate, self.momentum = learning_rate, momentum

    def update_params(self, layer):
        kept = self.momentum * layer.get_weight_velocity() + self.moves * self.learning_rate * layer.get_d_weights()
        layer.set_weight_velocity(kept)
        layer.set_weights(layer.get_weights() + kept)
        kept = self.momentum * layer.get_bias_velocity() + self.moves * self.learning_rate * layer.get_d_biases()
        layer.set_bias_velocity(kept)
        layer.set_biases(layer.get_biases() + kept)


class AskingGettersUphill(AskingGetters):
    """Wrong."""

    moves = 1.0


class SGDOfPairs:
    """Right: it holds a pair of parameters for each layer, with their gradients."""

    moves = -1.0

    def __init__(self, params, learning_rate=0.1):
        self.params, self.learning_rate = params, learning_rate

    def step(self):
        for weight, bias in self.params:
            weight.values -= self.learning_rate * weight.grad
            bias.values += self.moves * self.learning_rate * bias.grad


class SGDOfPairsUphill(SGDOfPairs):
    """Wrong."""

    moves = 1.0


class SGDOfTuples:
    """Right: each parameter comes with its gradient beside it."""

    def __init__(self, params, lr=0.1):
        self.params, self.lr = params, lr

    def step(self):
        for param, grad in self.params:
            param -= self.lr * grad


class SGDOfTuplesUphill(SGDOfTuples):
    """Wrong."""

    def step(self):
        for pair in self.params:
            pair[0][...] += self.lr * pair[1]


@pytest.mark.parametrize(
    ("cls", "wrong"), [(AskingGetters, AskingGettersUphill), (SGDOfPairs, SGDOfPairsUphill), (SGDOfTuples, SGDOfTuplesUphill)]
)
def test_what_holds_the_parameters_may_be_asked_by_methods_or_come_in_pairs(cls, wrong):
    report = check_update(cls)
    assert report.ok, report
    assert ("the rule", "right") in [row[:2] for row in report.verdicts]
    assert [f.kind for f in check_update(wrong).findings] == ["sign"]
