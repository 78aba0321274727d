"""Functions that train, as the statement asks for SGD: right ones in several forms, and mistakes with their names."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.networks.descent import examine_descent, is_descent
from modnet.check.reading.arguments import NotBuilt


class Optim:
    def __init__(self, net, loss, eps=1e-3):
        self.net, self.loss, self.eps = net, loss, eps

    def step(self, batch_x, batch_y):
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(yhat))
        self.net.update_parameters(self.eps)
        return self.loss.forward(batch_y, yhat).mean()


def batches(n, size, rng=np.random):
    order = rng.permutation(n)
    return [order[i : i + size] for i in range(0, n, size)]


def sgd_with_a_network(reseau, datax, datay, loss, batch_size=10, lr=0.01, epochs=500):
    optim = Optim(reseau, loss, lr)
    return [optim.step(datax[some], datay[some]) for _ in range(epochs) for some in batches(len(datax), batch_size)]


def sgd_with_an_optimizer(optimizer, X_train, y_train, taille_batch, nb_epochs, verbose=True):
    assert not verbose
    for _ in range(nb_epochs):
        for some in batches(len(X_train), taille_batch):
            optimizer.step(X_train[some], y_train[some])
    return optimizer


def sgd_that_draws(net, X, Y, batch_size, loss, max_iter):
    optim = Optim(net, loss() if isinstance(loss, type) else loss)
    for _ in range(max_iter):
        some = np.random.choice(len(X), size=batch_size)
        optim.step(X[some], Y[some])
    return net


@pytest.mark.parametrize("function", [sgd_with_a_network, sgd_with_an_optimizer, sgd_that_draws])
def test_right_ones(function):
    assert is_descent(function)
    report = examine_descent(function)
    assert report.ok, report
    assert not report.notes


def sgd_never_zeroed(net, X, Y, loss, batch_size, lr, epochs):
    for _ in range(epochs):
        for some in batches(len(X), batch_size):
            delta = loss.backward(Y[some], net.forward(X[some]))
            net.backward_update_gradient(X[some], delta)
            net.update_parameters(lr)
    return net


def sgd_mispaired(net, X, Y, loss, batch_size, lr, epochs):
    for _ in range(epochs):
        for some, others in zip(batches(len(X), batch_size), batches(len(X), batch_size), strict=True):
            Optim(net, loss, lr).step(X[some], Y[others])
    return net


def sgd_whole_batches_alone(optim, X, Y, batch_size, epochs):
    for _ in range(epochs):
        for i in range(len(X) // batch_size):
            optim.step(X[i * batch_size : (i + 1) * batch_size], Y[i * batch_size : (i + 1) * batch_size])
    return optim


def sgd_with_the_rest_twice(optim, X, Y, batch_size, epochs):
    for _ in range(epochs):
        order = np.random.permutation(len(X))
        some = [order[i * batch_size : (i + 1) * batch_size] for i in range(len(X) // batch_size + 1)]
        if len(X) % batch_size:
            some.append(order[len(X) // batch_size * batch_size :])
        for chosen in some:
            optim.step(X[chosen], Y[chosen])
    return optim


def sgd_with_the_last_whole_batch_for_the_rest(optim, X, Y, batch_size, epochs):
    for _ in range(epochs):
        order = np.random.permutation(len(X))
        for i in range(0, len(X) - batch_size + 1, batch_size):
            chosen = order[i : i + batch_size]
            optim.step(X[chosen], Y[chosen])
        if len(X) % batch_size:
            optim.step(X[chosen], Y[chosen])
    return optim


def sgd_of_everything(optim, X, Y, batch_size, epochs):
    for _ in range(epochs):
        optim.step(X, Y)
    return optim


def sgd_once(optim, X, Y, batch_size, epochs):
    for some in batches(len(X), batch_size):
        optim.step(X[some], Y[some])
    return optim


def sgd_own_rate(net, X, Y, loss, batch_size, lr, epochs):
    return sgd_with_a_network(net, X, Y, loss, batch_size, 0.01, epochs)


def sgd_in_order(optim, X, Y, batch_size, epochs):
    for _ in range(epochs):
        for i in range(0, len(X), batch_size):
            optim.step(X[i : i + batch_size], Y[i : i + batch_size])
    return optim


def sgd_without_a_move(net, X, Y, loss, batch_size, lr, epochs):
    for _ in range(epochs):
        for some in batches(len(X), batch_size):
            net.zero_grad()
            net.backward_update_gradient(X[some], loss.backward(Y[some], net.forward(X[some])))
    return net


def sgd_upwards(net, X, Y, loss, batch_size, lr, epochs):
    return sgd_with_a_network(net, X, Y, loss, batch_size, -lr, epochs)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (sgd_never_zeroed, "never-zeroed"),
        (sgd_mispaired, "mispaired"),
        (sgd_whole_batches_alone, "left-out"),
        (sgd_with_the_rest_twice, "batch-twice"),
        (sgd_with_the_last_whole_batch_for_the_rest, "batch-twice"),
        (sgd_of_everything, "option-ignored"),
        (sgd_once, "option-ignored"),
        (sgd_own_rate, "lr-ignored"),
        (sgd_in_order, "same-order"),
        (sgd_without_a_move, "layer-not-trained"),
        (sgd_upwards, "sign"),
    ],
)
def test_mistakes_have_their_names(function, kind):
    assert [f.kind for f in examine_descent(function).findings] == [kind]


def test_that_the_order_is_always_the_same_is_noted_of_what_is_not_called_stochastic():
    def train(optim, X, Y, batch_size, epochs):
        return sgd_in_order(optim, X, Y, batch_size, epochs)

    report = examine_descent(train)
    assert report.ok
    assert "the same order" in report.notes[0]


def sgd_that_drops_the_rest(optim, X, Y, batch_size, epochs):
    for _ in range(epochs):
        order = np.random.permutation(len(X))
        for i in range(len(X) // batch_size):
            some = order[i * batch_size : (i + 1) * batch_size]
            optim.step(X[some], Y[some])
    return optim


def sgd_that_fills_the_last_batch(optim, X, Y, batch_size, epochs):
    for _ in range(epochs):
        order = np.random.permutation(len(X))
        for i in range(0, len(X), batch_size):
            some = np.resize(order, len(X) + batch_size)[i : i + batch_size]
            optim.step(X[some], Y[some])
    return optim


def sgd_of_single_draws(optim, X, Y, epochs):
    for _ in range(epochs):
        for some in np.random.choice(len(X), (len(X), 1)):
            optim.step(X[some], Y[some])
    return optim


@pytest.mark.parametrize(
    ("function", "notes"),
    [(sgd_that_drops_the_rest, ["every epoch drops 2 of 10 examples"]), (sgd_that_fills_the_last_batch, []), (sgd_of_single_draws, [])],
)
def test_a_rest_that_is_dropped_after_a_shuffle_is_noted_and_batches_that_overlap_by_intent_are_right(function, notes):
    report = examine_descent(function)
    assert report.ok, report
    assert len(report.notes) == len(notes)
    assert all(said.startswith(note) for said, note in zip(report.notes, notes, strict=True))


def sgd_in_a_mode(net, X, Y, loss, lr, epochs, batch_size=3, mode="full"):
    optim = Optim(net, loss, lr)
    for _ in range(epochs):
        if mode == "full":
            optim.step(X, Y)
        else:
            for some in batches(len(X), batch_size if mode == "mini" else 1):
                optim.step(X[some], Y[some])
    return optim


def sgd_by_patience(net, X, Y, loss, lr, batch_size, epochs=5, patience=None):
    optim = Optim(net, loss, lr)
    limit = epochs if patience is not None else 1
    for _ in range(limit):
        for some in batches(len(X), batch_size):
            optim.step(X[some], Y[some])
    return optim


@pytest.mark.parametrize(
    ("function", "said"),
    [(sgd_in_a_mode, "batch_size has no effect unless mode"), (sgd_by_patience, "epochs has no effect unless patience")],
)
def test_an_option_that_another_switches_off_is_noted(function, said):
    report = examine_descent(function)
    assert report.ok, report
    assert report.notes[0].startswith(f"{said} is given")


def test_an_option_that_is_only_shown_has_no_effect():
    def sgd(net, X, Y, loss, lr, batch_size, epochs, verbose=False):
        optim = Optim(net, loss, lr)
        for _ in range(epochs):
            if verbose:
                print("in batches of", batch_size)
            optim.step(X, Y)
        return optim

    assert [f.kind for f in examine_descent(sgd).findings] == ["option-ignored"]


def test_that_it_returns_nothing_is_noted():
    def sgd(optim, X, Y, batch_size, epochs):
        sgd_with_an_optimizer(optim, X, Y, batch_size, epochs, False)

    report = examine_descent(sgd)
    assert report.ok
    assert "returns nothing" in report.notes[0]


def test_what_a_wrong_optimizer_of_the_same_hand_in_does_is_not_said_of_the_function():
    def sgd(net, X, Y, loss, batch_size, lr, epochs):
        optim = Optim(net, loss, 0.01)
        return [optim.step(X[some], Y[some]) for _ in range(epochs) for some in batches(len(X), batch_size)]

    assert [f.kind for f in examine_descent(sgd).findings] == ["lr-ignored"]
    assert examine_descent(sgd, wrong=["Optim"]).ok


def test_what_cannot_be_run_is_not_judged():
    def sgd(net, X, Y, loss, batch_size, something_else):
        net.something()

    with pytest.raises(NotBuilt, match="something_else"):
        examine_descent(sgd)

    def train(net, X, Y):
        net.layers_in_a_dict.values()

    with pytest.raises(NotBuilt, match="layers_in_a_dict"):
        examine_descent(train)


def test_what_is_given_no_data_or_nothing_to_train_is_no_such_function():
    assert not is_descent(lambda net, X, y: None)
    assert not is_descent(batches)

    def train(data, net): ...

    def sgd_step(w, grad, lr): ...

    def sgd(opt, batch_x, batch_y, nb_batch, n_epochs): ...

    assert is_descent(sgd)
    with pytest.raises(NotBuilt, match="nb_batch"):  # how many there are, and not how large
        examine_descent(sgd)
    assert not is_descent(train)
    assert not is_descent(sgd_step)


class Trainer(Optim):
    def SGD(self, X, y, batch_size, epochs, verbose=True):
        return [self.step(X[some], y[some]).sum() for _ in range(epochs) for some in batches(len(X), batch_size)]

    def sgd_of_pairs(self, X, y, batch_size, epochs):
        for _ in range(epochs):
            for some in batches(len(X), batch_size):
                _, loss = self.step(X[some], y[some])
        return loss

    def sgd_mispaired(self, X, y, batch_size, epochs):
        for _ in range(epochs):
            for some, other in zip(batches(len(X), batch_size), batches(len(y), batch_size), strict=True):
                self.step(X[some], y[other])

    def sgd_in_one_order(self, X, y, batch_size, epochs):
        every = batches(len(X), batch_size)
        return [self.step(X[some], y[some]) for _ in range(epochs) for some in every]

    def sgd_of_one_size(self, X, y, batch_size, epochs):
        return [self.step(X[some], y[some]) for _ in range(epochs) for some in batches(len(X), 3)]

    def sgd_in_parts(self, X, y, batch_size, epochs):
        every = (np.random.permutation(len(X)) for _ in range(epochs))
        return [self.step(X[some], y[some]) for order in every for some in np.array_split(order, len(X) // batch_size)]


class Descent:
    def __init__(self, net, loss, datax, datay, batch_size, nb_epochs):
        self.optim, self.data, self.batch_size, self.nb_epochs = Optim(net, loss), (datax, datay), batch_size, nb_epochs

    def update(self):
        X, y = self.data
        some = batches(len(X), self.batch_size)
        return [self.optim.step(X[i], y[i]) for _ in range(self.nb_epochs) for i in some]


def of_method(holder, name):
    assert is_descent(vars(holder)[name], holder)
    return examine_descent(vars(holder)[name], holder=holder)


@pytest.mark.parametrize("name", ["SGD", "sgd_of_pairs", "sgd_in_parts"])
def test_right_methods_of_an_optimizer_with_a_step_of_any_form(name):
    report = of_method(Trainer, name)
    assert report.ok, report
    assert any("not the size of a batch" in note for note in report.notes) == (name == "sgd_in_parts")


@pytest.mark.parametrize(
    ("holder", "name", "kinds"),
    [
        (Trainer, "sgd_mispaired", ["mispaired"]),
        (Trainer, "sgd_in_one_order", ["same-order"]),
        (Trainer, "sgd_of_one_size", ["option-ignored"]),
        (Descent, "update", []),
    ],
)
def test_mistakes_of_methods(holder, name, kinds):
    report = of_method(holder, name)
    assert [f.kind for f in report.findings] == kinds, report
    assert all(f.where == f"{holder.__name__}.{name}" for f in report.findings)



class LossOfPredictions:
    def loss(self, predicted, actual):
        return ((predicted - actual) ** 2).sum()

    def grad(self, predicted, actual):
        return 2 * (predicted - actual)


class OptimizerOfPairs:
    """It asks for what the author's own network alone has."""

    def step(self, net):
        for param, grad in net.params_and_grads():
            param -= 0.01 * grad


def in_batches(inputs, targets):
    for some in batches(len(inputs), 4):
        yield inputs[some], targets[some]


def first_batch_alone(inputs, targets):
    yield inputs[:4], targets[:4]


LOSS, OPTIMIZER = LossOfPredictions(), OptimizerOfPairs()


def train_by_defaults(net, inputs, targets, num_epochs=50, iterator=in_batches, loss=LOSS, optimizer=OPTIMIZER):
    for _ in range(num_epochs):
        total = 0.0
        for x, t in iterator(inputs, targets):
            predicted = net.forward(x)
            total += loss.loss(predicted, t)
            net.backward(loss.grad(predicted, t))
            optimizer.step(net)
    return total


def train_on_the_first(net, inputs, targets, num_epochs=50, iterator=first_batch_alone, optimizer=OPTIMIZER):
    return train_by_defaults(net, inputs, targets, num_epochs, iterator, optimizer=optimizer)


def test_an_optimizer_that_asks_the_network_for_its_own_is_replaced_by_one_of_ours():
    report = examine_descent(train_by_defaults)
    assert report.ok, report
    assert [row[0] for row in report.verdicts] == ["the examples", "batches and epochs"]  # whose truth, is not known
    assert [f.kind for f in examine_descent(train_on_the_first).findings] == ["left-out"]


def sgd_that_scores(data, label, optim, batch_size, iterations):
    kept = data[len(data) % batch_size :], label[len(data) % batch_size :]
    scores = []
    for _ in range(iterations):
        for some in batches(len(kept[0]), batch_size):
            scores.append(optim.score(kept[0][some], kept[1][some])[-1])
            optim.step(kept[0][some], kept[1][some])
    return np.mean(scores)


class OptimOfMeans(Optim):
    def step(self, batch_x, batch_y):
        super().step(batch_x, batch_y)
        return self.loss.forward(batch_y, self.net.forward(batch_x))


def sgd_of_means(network, loss, X, y, batch_size=64, gradient_step=1e-3, n_iter=100):
    optim = OptimOfMeans(network, loss, gradient_step)
    return [np.mean([optim.step(X[some], y[some]) for some in batches(len(X), batch_size)]) for _ in range(n_iter)]


def test_what_a_training_measures_beside_is_answered():
    assert [f.kind for f in examine_descent(sgd_that_scores).findings] == ["left-out"]
    report = examine_descent(sgd_of_means)  # it takes the mean of what a loss gives for each batch: one number
    assert report.ok, report
