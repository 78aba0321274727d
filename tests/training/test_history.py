"""History and the progress bar: the figures of every epoch."""

import json
import sys

import pytest
from fit_cases import classes, network, regression, stopper
from helpers import message

from modnet import MSE, CrossEntropy, History, MultiMargin, fit, predict
from modnet.optim import SGD, Adam

# History


def test_history_has_the_figures_of_every_epoch(path):
    X, y = classes()
    seen = []
    history = fit(
        network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=5, validation=0.2, rng=0,
        callbacks=[*path, lambda training: seen.append(training.history.last())],
    )  # fmt: skip
    names = ["loss", "validation_loss", "accuracy", "validation_accuracy", "lr"]
    assert all(list(figures) == names for figures in seen)
    assert history.loss == [figures["loss"] for figures in seen]
    assert history.validation_loss == [figures["validation_loss"] for figures in seen]
    assert history.metrics == {name: [figures[name] for figures in seen] for name in names[2:]}
    assert all(type(value) is float for value in (*history.loss, *history.metrics["accuracy"]))
    assert history.epochs == 5
    assert history.best_epoch is None
    assert history.stopped_because == "all 5 epochs done"


@pytest.mark.parametrize("loss", [CrossEntropy(), MultiMargin()])  # with loss and hits in one pass, and apart
def test_accuracy_is_the_share_of_right_answers_as_they_were_met(path, loss):
    X, y = classes()
    net = network()
    right = (predict(net, X).argmax(axis=1) == y).mean()
    history = fit(net, X, y, loss=loss, optimizer=SGD(1e-12), epochs=1, batch_size=7, callbacks=path)
    assert history.metrics["accuracy"] == [pytest.approx(right, rel=1e-12)]
    assert 0 < right < 1


def test_without_classes_and_validation_history_is_the_loss_and_the_rate(path):
    X, y = regression()
    history = fit(network(outputs=1), X, y, loss=MSE(), optimizer=SGD(0.01), epochs=2, callbacks=path)
    assert history.metrics == {"lr": [0.01, 0.01]}
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


def test_a_bar_asked_for_shows_epochs_figures_and_time_left(capsys, monkeypatch, path):
    monkeypatch.setenv("COLUMNS", "120")
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


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_a_bar_keeps_to_the_width_of_the_terminal(capsys, monkeypatch, columns, path):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, text = bar_text(capsys, path, True, epochs=12)
    lines = [line for line in text.replace("\n", "\r").split("\r") if line.strip()]
    last = lines[-1].rstrip()
    assert max(map(len, lines)) <= columns
    assert last.startswith("epoch 12/12 |")
    shown = ["loss ", "val loss ", "acc ", "val acc "]
    assert [name in last for name in shown] == [True, columns >= 60, columns >= 80, columns >= 100]
    assert ("00:00 < 00:00" in last) == (columns >= 60)
    assert not last.endswith(("0.", "los", "val", "-"))  # no figure is cut


# Beyond the screen


def stopped_early(path):
    X, y = classes()
    net = network()
    history = fit(net, X, y, CrossEntropy(), Adam(0.3), epochs=60, validation=0.4, rng=1, patience=3, progress=False, callbacks=path)
    assert history.best_epoch < history.epochs < 60
    return history


def test_after_early_stopping_the_epoch_that_was_kept_is_printed(path):
    history = stopped_early(path)
    best = history.best_epoch
    assert repr(history) == (
        f"History({history.epochs} epochs: kept epoch {best} with loss {history.loss[best - 1]:.4g}, validation loss "
        f"{history.validation_loss[best - 1]:.4g}, accuracy {history.metrics['accuracy'][best - 1]:.4g}, validation accuracy "
        f"{history.metrics['validation_accuracy'][best - 1]:.4g}; no lower validation loss in 3 epochs)"
    )
    assert history.at(best)["validation_loss"] == min(history.validation_loss)


def test_a_history_as_a_frame_csv_and_json(path, tmp_path):
    history = stopped_early(path)
    names = ["loss", "validation_loss", "accuracy", "validation_accuracy", "lr"]
    history.to_csv(tmp_path / "h.csv")
    lines = (tmp_path / "h.csv").read_text().splitlines()
    assert lines[0] == "epoch," + ",".join(names)
    assert len(lines) == 1 + history.epochs
    assert [float(v) for v in lines[2].split(",")] == [2, *(history.columns()[name][1] for name in names)]
    text = history.to_json(tmp_path / "h.json")
    kept = json.loads((tmp_path / "h.json").read_text())
    assert json.loads(text) == kept
    assert kept["loss"] == history.loss
    assert (kept["best_epoch"], kept["stopped_because"]) == (history.best_epoch, history.stopped_because)
    assert kept["metrics"] == history.metrics
    pytest.importorskip("pandas")
    frame = history.to_frame()
    assert list(frame.columns) == names
    assert frame.index.name == "epoch"
    assert frame["loss"].tolist() == history.loss
    assert frame.loc[history.best_epoch, "validation_loss"] == min(history.validation_loss)


def test_an_epoch_that_was_not_is_refused():
    X, y = classes()
    history = fit(network(), X, y, CrossEntropy(), SGD(0.1), epochs=3, rng=0)
    assert history.at(3) == history.last()
    assert message(IndexError, history.at, 4) == "History.at: epoch is 4, expected 1 to 3"
    assert message(ValueError, history.at, 0) == "History.at: epoch is 0, expected at least 1"


def test_a_history_comes_back_from_its_dict(path):
    history = stopped_early(path)
    assert repr(History.from_dict(json.loads(json.dumps(history.to_dict())))) == repr(history)
    for wrong in ({}, {**history.to_dict(), "loss": "x"}, {**history.to_dict(), "metrics": []}, None):
        assert message(ValueError, History.from_dict, wrong).startswith("History: this is none that to_dict() gave (")
