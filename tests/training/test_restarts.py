"""The same network from several initial weights: the best is kept, the spread is told."""

import pickle

import numpy as np
import pytest

import modnet
from modnet import MSE, CrossEntropy, Linear, Restarts, Sequential, Tanh, TrainingWarning, fit, restart
from modnet.optim import SGD, Adam, RandomSearch, Rprop

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float), np.array([[0], [1], [1], [0]], float)
OPTIONS = {"loss": MSE(), "optimizer": Rprop(), "epochs": 200, "batch_size": None}


def two_two_one(rng):
    return Sequential(Linear(2, 2, rng=rng), Tanh(), Linear(2, 1, rng=rng))


def test_the_best_of_many_solves_what_some_do_not():
    found = restart(two_two_one, *XOR, 12, rng=0, jobs=1, **OPTIONS)
    assert len(found) == len(found.histories) == 12
    assert found.scores[found.best] == found.scores.min() < 1e-3
    assert found.scores.max() > 0.1
    assert MSE()(XOR[1], found.net.forward(XOR[0])) == pytest.approx(found.scores.min(), abs=1e-15)
    assert found.history is found.histories[found.best]


def test_each_is_the_fit_that_its_seed_gives():
    found = restart(two_two_one, *XOR, 3, rng=5, jobs=1, **OPTIONS)
    for i, seed in enumerate(np.random.default_rng(5).integers(2**63, size=3)):
        rng = np.random.default_rng(int(seed))
        net = two_two_one(rng)
        history = fit(net, *XOR, **{**OPTIONS, "optimizer": Rprop()}, rng=rng)
        assert found.histories[i].loss == history.loss
        assert found.scores[i] == pytest.approx(MSE()(XOR[1], net.forward(XOR[0])), abs=1e-15)


@pytest.mark.parametrize("optimizer", [Adam(0.05), RandomSearch(0.2, rng=0)], ids=repr)
def test_processes_give_what_one_gives(optimizer):
    options = {**OPTIONS, "optimizer": optimizer, "epochs": 5}
    alone = restart(two_two_one, *XOR, 3, rng=1, jobs=1, **options)
    several = restart(lambda rng: two_two_one(rng), *XOR, 3, rng=1, jobs=2, **options)
    assert np.array_equal(alone.scores, several.scores)
    assert np.array_equal(alone.net.parameters, several.net.parameters)
    assert [h.loss for h in alone.histories] == [h.loss for h in several.histories]
    several.net.forward(XOR[0])


def test_with_validation_the_score_is_its_loss_and_with_patience_its_best():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)

    def build(rng):
        return Sequential(Linear(2, 6, rng=rng), Tanh(), Linear(6, 2, rng=rng))

    options = {"loss": CrossEntropy(), "optimizer": Adam(0.1), "epochs": 30, "jobs": 1, "rng": 0, "validation": 0.5}
    plain = restart(build, X, y, 3, **options)
    assert plain.scores.tolist() == [h.validation_loss[-1] for h in plain.histories]
    patient = restart(build, X, y, 3, patience=2, **options)
    assert patient.scores.tolist() == [min(h.validation_loss) for h in patient.histories]


def test_sample_weights_weigh_in_the_score():
    weights = np.array([4.0, 0.0, 0.0, 0.0])
    found = restart(two_two_one, *XOR, 2, rng=0, jobs=1, **{**OPTIONS, "epochs": 3}, sample_weight=weights)
    assert found.scores.min() == pytest.approx(MSE().forward(XOR[1][:1], found.net.forward(XOR[0][:1]))[0], rel=1e-12)


def test_the_optimizer_given_stays_as_it_was():
    optimizer = Adam(0.1)
    restart(two_two_one, *XOR, 2, rng=0, jobs=1, **{**OPTIONS, "optimizer": optimizer, "epochs": 2})
    assert optimizer.net is None


def test_it_reports_the_spread():
    found = Restarts("net", np.array([0.5, 0.25, 1.0, np.inf]), ["a", "b", "c", "d"])
    text = "4 restarts: best 0.25 (number 2), median 0.5, worst 1, standard deviation 0.31; 1 diverged"
    assert str(found) == text
    assert repr(found) == f"Restarts({text})"
    assert found.history == "b"


def test_a_training_that_diverges_does_not_win():
    def build(rng):
        net = two_two_one(rng)
        net.parameters[:] *= 1e200 if rng.random() < 0.5 else 1.0
        return net

    found = restart(build, *XOR, 6, rng=0, jobs=1, **{**OPTIONS, "optimizer": SGD(0.01), "epochs": 2})
    lost = np.isinf(found.scores)
    assert 0 < lost.sum() < 6
    assert not lost[found.best]
    assert f"; {lost.sum()} diverged" in str(found)


def test_where_all_diverge_it_says_so():
    with pytest.warns(TrainingWarning, match="restart: every training diverged; try a smaller lr"):
        found = restart(two_two_one, *XOR, 2, rng=0, jobs=1, **{**OPTIONS, "optimizer": SGD(1e200)})
    assert str(found) == "2 restarts: all diverged"


def test_ctrl_c_ends_all_and_keeps_what_is_done():
    class Stops(MSE):
        calls = 0

        def forward(self, y, yhat):
            Stops.calls += 1
            if Stops.calls == 4:
                raise KeyboardInterrupt
            return super().forward(y, yhat)

    with pytest.warns(TrainingWarning, match="restart: interrupted in training 2 of 5"):
        found = restart(two_two_one, *XOR, 5, rng=0, jobs=1, **{**OPTIONS, "loss": Stops(), "epochs": 2})
    assert len(found) == 2


def test_the_result_can_be_pickled():
    found = restart(two_two_one, *XOR, 2, rng=0, jobs=1, **{**OPTIONS, "epochs": 2})
    again = pickle.loads(pickle.dumps(found))
    assert str(again) == str(found)
    assert np.array_equal(again.net.forward(XOR[0]), found.net.forward(XOR[0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"build": two_two_one(0)}, "restart: build is Sequential, expected a function that takes a generator"),
        ({"build": 3}, "restart: build is 3, expected a function"),
        ({"n": 0}, "restart: n is 0, expected at least 1"),
        ({"jobs": 0}, "restart: jobs is 0, expected at least 1"),
        ({"rng": "x"}, "restart: rng is 'x', expected an int"),
        ({"optimizer": Adam}, "fit: optimizer is Adam, expected an optimizer object"),
        (
            {"callbacks": [print], "jobs": 2},
            "restart: callbacks cannot be used in several processes, expected jobs=1 with them",
        ),
    ],
)
def test_arguments_without_a_meaning_are_refused(change, message):
    arguments = {"build": two_two_one, "X": XOR[0], "y": XOR[1], "jobs": 1, **OPTIONS, **change}
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        modnet.restart(**arguments)
