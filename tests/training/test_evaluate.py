"""evaluate and metrics, compared with scikit-learn's own functions on what the network predicts."""

from functools import partial

import numpy as np
import pytest
from fit_cases import classes, network, regression
from helpers import message
from sklearn import metrics as theirs

from modnet import (
    BCE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    Hinge,
    Linear,
    LogSoftmax,
    Sequential,
    Sigmoid,
    evaluate,
    fit,
    predict,
)
from modnet.optim import SGD


def softmax(a):
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_figures_of_classes():
    X, y = classes()
    net, w = network(), np.linspace(0, 2, len(X))
    scores = predict(net, X)
    labels, p = scores.argmax(axis=1), softmax(scores)

    def top_two(y, yhat):
        return np.mean([t in np.argsort(row)[-2:] for t, row in zip(y, yhat)])

    got = evaluate(net, X, y, loss=CrossEntropy(), metrics=[
        "accuracy", "f1_macro", "f1_weighted", "log_loss", "balanced_accuracy", "matthews_corrcoef",
        theirs.accuracy_score, partial(theirs.f1_score, average="micro"), partial(theirs.roc_auc_score, multi_class="ovr"), top_two,
    ])  # fmt: skip
    want = {
        "loss": -np.mean(np.log(p[np.arange(len(y)), y])), "accuracy": np.mean(labels == y),
        "f1_macro": theirs.f1_score(y, labels, average="macro"), "f1_weighted": theirs.f1_score(y, labels, average="weighted"),
        "log_loss": theirs.log_loss(y, p), "balanced_accuracy": theirs.balanced_accuracy_score(y, labels),
        "matthews_corrcoef": theirs.matthews_corrcoef(y, labels), "accuracy_score": np.mean(labels == y),
        "f1_score": theirs.f1_score(y, labels, average="micro"), "roc_auc_score": theirs.roc_auc_score(y, p, multi_class="ovr"),
        "top_two": top_two(y, scores),
    }  # fmt: skip
    assert list(got) == list(want)
    assert got == pytest.approx(want)
    assert all(type(value) is float for value in got.values())
    weighted = evaluate(net, X, y, loss=CrossEntropy(), metrics=["accuracy", top_two], sample_weight=w)
    losses = -np.log(p[np.arange(len(y)), y])
    assert weighted == pytest.approx({
        "loss": np.mean(w * losses), "accuracy": np.average(labels == y, weights=w), "top_two": top_two(y[1:], scores[1:]),
    })  # fmt: skip


def test_roc_auc_of_three_classes_says_which_names_to_write_and_they_work():
    X, y = classes()
    net = network()
    p = softmax(predict(net, X))
    said = message(ValueError, evaluate, net, X, y, loss=CrossEntropy(), metrics=["roc_auc"])
    assert said.endswith("; for more than two classes write roc_auc_ovr or roc_auc_ovo")
    got = evaluate(net, X, y, loss=CrossEntropy(), metrics=["roc_auc_ovr", "roc_auc_ovo"])
    for how in ("ovr", "ovo"):
        assert got[f"roc_auc_{how}"] == pytest.approx(theirs.roc_auc_score(y, p, multi_class=how))
    assert "there is no metric 'accuracy_ovr'" in message(ValueError, evaluate, net, X, y, loss=CrossEntropy(), metrics=["accuracy_ovr"])


def test_one_hot_rows_are_their_labels():
    X, y = classes()
    got = [evaluate(network(), X, t, loss=CrossEntropy(), metrics=["accuracy", "log_loss"]) for t in (y, np.eye(3)[y])]
    assert got[0] == pytest.approx(got[1])


@pytest.mark.parametrize("column", [False, True])
def test_figures_of_two_sides(column):
    X, y = classes(count=2)
    y = y[:, None] if column else y
    flat = y.reshape(-1)
    net = Linear(3, 1, rng=0)
    a = predict(net, X)[:, 0]
    if not column:  # a network that gives (batch,)
        net = type("Flat", (), {"forward": lambda self, X: Linear(3, 1, rng=0).forward(X)[:, 0], "backward_delta": None})()
    want = {"accuracy": np.mean((a > 0) == flat), "roc_auc": theirs.roc_auc_score(flat, a), "f1": theirs.f1_score(flat, a > 0)}
    got = evaluate(net, X, y, loss=BCEWithLogits(), metrics=list(want))
    assert {name: got[name] for name in want} == pytest.approx(want)
    got = evaluate(net, X, np.where(y == 1, 1, -1), loss=Hinge(), metrics=["accuracy", "roc_auc"])
    assert (got["accuracy"], got["roc_auc"]) == pytest.approx((want["accuracy"], want["roc_auc"]))
    if column:
        got = evaluate(Sequential(net, Sigmoid()), X, y, loss=BCE(), metrics=["accuracy", "roc_auc", "log_loss"])
        p = 1 / (1 + np.exp(-a))
        assert got["log_loss"] == pytest.approx(theirs.log_loss(flat, p))
        assert (got["accuracy"], got["roc_auc"]) == pytest.approx((want["accuracy"], want["roc_auc"]))
        two = Sequential(Linear(3, 2, rng=0), LogSoftmax())
        s = predict(two, X)
        assert evaluate(two, X, flat, loss=NLL(), metrics=["roc_auc"])["roc_auc"] == pytest.approx(
            theirs.roc_auc_score(flat, s[:, 1] - s[:, 0])
        )


def test_figures_of_numbers():
    X, y = regression()
    net = Linear(3, 1, rng=0)
    yhat = predict(net, X)
    got = evaluate(net, X, y, loss=MSE(), metrics=["r2", "mae", "mse", "rmse", "max_error", theirs.median_absolute_error])
    assert got == pytest.approx({
        "loss": np.mean((y - yhat) ** 2), "r2": theirs.r2_score(y, yhat), "mae": np.mean(np.abs(y - yhat)),
        "mse": np.mean((y - yhat) ** 2), "rmse": np.sqrt(np.mean((y - yhat) ** 2)), "max_error": np.abs(y - yhat).max(),
        "median_absolute_error": np.median(np.abs(y - yhat)),
    })  # fmt: skip
    assert net.training is not False  # the mode is as before


def test_metrics_of_every_epoch_are_in_the_history(path):
    X, y = classes()
    net, seen = network(), []

    def look(training):
        predicted = predict(net, X).argmax(axis=1)
        seen.append((theirs.f1_score(y, predicted, average="macro"),
                     theirs.f1_score(y[:9], predicted[:9], average="macro")))  # fmt: skip

    history = fit(net, X, y, CrossEntropy(), SGD(0.5), epochs=3, validation=(X[:9], y[:9]), metrics=["f1_macro", "accuracy"],
                  progress=False, callbacks=[*path, look])  # fmt: skip
    assert list(history.metrics) == ["accuracy", "validation_accuracy", "f1_macro", "validation_f1_macro", "lr"]
    assert list(zip(history.metrics["f1_macro"], history.metrics["validation_f1_macro"])) == [pytest.approx(s) for s in seen]


@pytest.mark.parametrize(
    ("metrics", "error", "said"),
    [
        ("accuracy", TypeError, "evaluate: metrics is 'accuracy', expected a list of names and functions, such as ['accuracy']"),
        (["acuracy"], ValueError, "evaluate: there is no metric 'acuracy'; do you mean 'accuracy'?; expected one of accuracy, "),
        ([3], TypeError, "evaluate: a metric is 3, expected a name or a function (y, yhat) -> float"),
        ([CrossEntropy], TypeError, "evaluate: a metric is <class 'modnet"),
        (["r2", "r2"], ValueError, "evaluate: metrics has 'r2' twice, expected each once"),
        ([theirs.confusion_matrix], TypeError, "evaluate: the metric confusion_matrix returned array("),
    ],
)
def test_what_is_no_metric_is_refused(metrics, error, said):
    X, y = classes()
    assert message(error, evaluate, network(), X, y, loss=CrossEntropy(), metrics=metrics).startswith(said)


def test_a_metric_that_does_not_fit_is_named():
    X, y = classes()
    text = message(ValueError, evaluate, network(), X, X[:, :3], loss=MSE(), metrics=["accuracy"])
    assert text.startswith("evaluate: the metric accuracy: continuous-multioutput is not supported; metrics of numbers are r2, mae")
    text = message(ValueError, evaluate, network(), X, y, loss=CrossEntropy(), metrics=["f1"])
    assert text.startswith("evaluate: the metric f1: Target is multiclass but average='binary'")
    assert text.endswith("; write f1_macro, f1_micro or f1_weighted")
    assert "f1_macro" in evaluate(network(), X, y, loss=CrossEntropy(), metrics=["f1_macro"])


def test_what_evaluate_refuses_is_what_fit_refuses():
    X, y = classes()
    assert message(ValueError, evaluate, network(), X, y[:3], loss=CrossEntropy()).startswith("evaluate: X has 30 examples but y")
    assert message(TypeError, evaluate, network(), X, y, loss=MSE).startswith("evaluate: loss is MSE, expected a loss object")
    assert message(ValueError, evaluate, network(), X, y, loss=CrossEntropy(), sample_weight=[1]).startswith("evaluate: sample_weight")
    with pytest.raises(ValueError, match="no position of y counts"):
        evaluate(network(), X, y * 0 - 1, loss=CrossEntropy(ignore_index=-1), metrics=["accuracy"])


# The share for validation


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_every_class_gives_its_share_and_is_trained_on(share):
    y = np.repeat([0, 1, 2, 3], [40, 15, 4, 1])
    X = np.arange(60.0)[:, None] @ np.ones((1, 3))
    for seed in range(10):
        trained = []

        def note(x, t, rng, trained=trained):
            trained.extend(t.tolist())
            return x, t

        fit(network(outputs=4), X * 1e-3, y, CrossEntropy(), SGD(0.1), epochs=1, validation=share, rng=seed, augment=note,
            progress=False)  # fmt: skip
        counts = np.bincount(trained, minlength=4)
        assert counts.sum() == 60 - round(60 * share)
        assert counts.min() >= 1
        left = np.array([40, 15, 4, 1]) - counts
        assert np.all(np.abs(left - np.array([40, 15, 4, 1]) * share)[:2] <= 2)


def test_more_classes_than_examples_to_train_on():
    X, y = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6)
    history = fit(network(outputs=6), X, y, CrossEntropy(), SGD(0.1), epochs=1, validation=0.5, rng=0, progress=False)
    assert len(history.validation_loss) == 1
