"""History and the progress bar: the figures of every epoch."""

import sys

import pytest
from fit_cases import classes, network, regression, stopper

from modnet import MSE, CrossEntropy, fit, predict
from modnet.optim import SGD, Adam

# History


def test_history_has_the_figures_of_every_epoch(path):
    X, y = classes()
    seen = []
    history = fit(
        network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=5, validation=0.2, rng=0,
        callbacks=[*path, lambda training: seen.append(training.history.last())],
    )  # fmt: skip
    names = ["loss", "validation_loss", "accuracy", "validation_accuracy"]
    assert all(list(figures) == names for figures in seen)
    assert history.loss == [figures["loss"] for figures in seen]
    assert history.validation_loss == [figures["validation_loss"] for figures in seen]
    assert history.metrics == {name: [figures[name] for figures in seen] for name in names[2:]}
    assert all(type(value) is float for value in (*history.loss, *history.metrics["accuracy"]))
    assert history.epochs == 5
    assert history.best_epoch is None
    assert history.stopped_because == "all 5 epochs done"


def test_accuracy_is_the_share_of_right_answers_as_they_were_met(path):
    X, y = classes()
    net = network()
    right = (predict(net, X).argmax(axis=1) == y).mean()
    history = fit(net, X, y, loss=CrossEntropy(), optimizer=SGD(1e-12), epochs=1, batch_size=7, callbacks=path)
    assert history.metrics == {"accuracy": [pytest.approx(right, rel=1e-12)]}
    assert 0 < right < 1


def test_without_classes_and_validation_history_is_the_loss_alone(path):
    X, y = regression()
    history = fit(network(outputs=1), X, y, loss=MSE(), optimizer=SGD(0.01), epochs=2, callbacks=path)
    assert history.metrics == {}
    assert history.validation_loss == []
    assert repr(history) == f"History(2 epochs: loss {history.loss[-1]:.4g}; all 2 epochs done)"


# The progress bar


def bar_text(capsys, path, progress, epochs=3):
    X, y = classes()
    history = fit(
        network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=epochs, validation=0.2, rng=0, progress=progress,
        callbacks=path,
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert out == ""
    return history, err


def test_a_bar_asked_for_shows_epochs_figures_and_time_left(capsys, path):
    history, text = bar_text(capsys, path, True)
    last = text.split("\r")[-1]
    assert last.startswith("epoch 3/3 |")
    assert "00:00 < 00:00" in last
    for name, value in (("loss", history.loss[-1]), ("acc", history.metrics["accuracy"][-1]),
                        ("val loss", history.validation_loss[-1]),
                        ("val acc", history.metrics["validation_accuracy"][-1])):  # fmt: skip
        assert f"{name} {value:.4g}" in last


def test_no_bar_where_it_is_not_wanted_or_nobody_looks(capsys, path):
    assert bar_text(capsys, path, False)[1] == ""
    assert bar_text(capsys, path, None)[1] == ""


def test_a_bar_in_a_terminal(capsys, monkeypatch, path):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "epoch 3/3" in bar_text(capsys, path, None)[1]


def test_a_bar_stands_where_training_stopped(capsys):
    X, y = classes()
    fit(network(), X, y, loss=CrossEntropy(), optimizer=SGD(0.1), epochs=9, progress=True,
        callbacks=[stopper("on_epoch_end", 4)])  # fmt: skip
    assert capsys.readouterr().err.split("\r")[-1].startswith("epoch 4/9 |")
