"""`train`: what it prints, and that its options do what they say."""

import math
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from command_lines import QUICK, figures, matrix, run

from modnet import datasets
from modnet.cli.arguments import activation_names, optimizer_names
from modnet.cli.train import as_options

SECONDS = re.compile(r"\d+\.\d+ s\b")


def test_train_prints_the_data_the_network_progress_and_figures_that_agree(capsys):
    status, out, err = run(capsys, "train", "iris", "--layers", "8,4", "--epochs", "40", "--activation", "tanh")
    assert (status, err) == (0, "")
    assert "iris: 150 examples of 4 inputs, 3 classes (setosa, versicolor, virginica)." in out
    assert "105 to train on, 15 to validate, 30 to test; drawn with seed 0, in the" in out
    assert re.search(r"\[2\] +Linear\(8 -> 4\) +\(batch, 4\) +36\n", out)
    assert "CrossEntropy(), Adam(lr=0.01), 40 epochs of 4 steps with 32 examples\n" in out
    assert len(re.findall(r"^epoch +\d+ of 40 .* validation accuracy", out, re.MULTILINE)) == 11
    shown = figures(out)
    assert {part: count for part, (count, _, _) in shown.items()} == {"training": 105, "validation": 15, "test": 30}
    table = matrix(out)
    assert table.sum(axis=1).tolist() == [10, 10, 10]  # stratified
    assert shown["test"][2] == pytest.approx(100 * np.trace(table) / 30, abs=0.05)
    assert f"Wrong on the test data: {30 - np.trace(table)} of 30." in out
    assert re.search(r"\n40 epochs in \d+\.\d\d s, \d+\.\d s in all\n$", out)


def test_the_same_seed_prints_the_same_figures_and_another_seed_others(capsys):
    first, again, other = (run(capsys, "train", "iris", *QUICK, "--seed", seed)[1] for seed in (3, 3, 4))
    assert SECONDS.sub("", first) == SECONDS.sub("", again)
    assert figures(first) != figures(other)


def test_quiet_prints_the_last_figures_only(capsys):
    status, out, err = run(capsys, "train", "iris", *QUICK, "--quiet")
    assert (status, err) == (0, "")
    assert out.splitlines()[0].split() == ["examples", "loss", "accuracy"]
    assert len(out.splitlines()) == 4
    assert len(figures(out)) == 3


@pytest.mark.parametrize("words", [["6,5"], ["6", "5"], ["6,", "5"], ["6, 5"]])
def test_layers_are_separated_by_commas_or_spaces(capsys, words):
    out = run(capsys, "train", "xor", "--layers", *words, "--epochs", "1")[1]
    assert re.findall(r"Linear\((\d+ -> \d+)\)", out) == ["2 -> 6", "6 -> 5", "5 -> 2"]


def test_layers_none_is_a_linear_network(capsys):
    out = run(capsys, "train", "xor", "--layers", "none", "--epochs", "1")[1]
    assert re.findall(r"\[\d\] +(\w+)", out) == ["Linear"]


@pytest.mark.parametrize("name", sorted(activation_names()))
def test_every_activation_of_the_library_trains(capsys, name):
    status, out, err = run(capsys, "train", "xor", *QUICK, "--activation", name)
    assert (status, err) == (0, "")
    assert re.search(rf"\[1\] +{name}\(", out, re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(optimizer_names()))
def test_every_optimizer_of_the_library_trains(capsys, name):
    status, out, err = run(capsys, "train", "xor", *QUICK, "--optimizer", name.upper())
    assert (status, err) == (0, "")
    assert re.search(rf"CrossEntropy\(\), {name}\(", out, re.IGNORECASE)


def test_names_may_be_written_in_any_way(capsys):
    out = run(capsys, "train", "xor", *QUICK, "--activation", "Leaky-ReLU")[1]
    assert "LeakyReLU(" in out


def test_options_reach_the_optimizer(capsys):
    out = run(capsys, "train", "xor", *QUICK, "--optimizer", "sgd", "--lr", "0.5", "--momentum", "0.9")[1]
    assert "SGD(lr=0.5, momentum=0.9" in out


def test_dtype_is_that_of_the_network(capsys):
    assert " parameters, float32\n" in run(capsys, "train", "xor", *QUICK)[1]
    assert " parameters, float64\n" in run(capsys, "train", "xor", *QUICK, "--dtype", "float64")[1]


def test_patience_stops_early_and_says_which_epoch_is_kept(capsys):
    status, out, _ = run(capsys, "train", "iris", "--layers", "30", "--lr", "0.3", "--epochs", "300", "--patience", "3")
    done, kept = map(int, re.search(r"\n(\d+) epochs in .*; the parameters are from epoch (\d+),", out).groups())
    assert status == 0
    assert done == kept + 3 < 300


def test_few_examples_are_all_trained_on_and_that_is_said(capsys):
    out = run(capsys, "train", "xor", "--epochs", "1")[1]
    assert "All 4 examples are trained on, as there are fewer than 20: no figure below is of\nunseen data." in out
    assert list(figures(out)) == ["training"]
    assert list(figures(run(capsys, "train", "xor", "--epochs", "1", "--test-share", "0.5")[1])) == ["training", "test"]


def test_shares_of_nothing_leave_those_parts_out(capsys):
    out = run(capsys, "train", "iris", *QUICK, "--test-share", "0", "--validation", "0")[1]
    assert list(figures(out)) == ["training"]
    assert figures(out)["training"][0] == 150
    assert "validation" not in out


def test_batch_size_all_is_one_step_an_epoch(capsys):
    assert "2 epochs of 1 step with 105 examples" in run(capsys, "train", "iris", *QUICK, "--batch-size", "all")[1]


def test_a_regression_is_reported_in_the_unit_of_the_target(capsys, csv):
    x = np.random.default_rng(0).normal(size=60)
    shown = []
    for unit in (1.0, 1000.0):
        path = csv("x,t\n" + "".join(f"{a!r},{unit * (5 + 2 * a + math.sin(9 * a))!r}\n" for a in x.tolist()))
        status, out, err = run(capsys, "train", path, "--layers", "5", "--epochs", "5", "--dtype", "float64")
        assert (status, err) == (0, "")
        assert "a number to predict" in out
        shown.append(figures(out))
    for part in ("training", "validation", "test"):
        (count, error, score), (_, error_of_thousands, score_of_thousands) = (found[part] for found in shown)
        assert count in (42, 6, 12)
        assert error_of_thousands == pytest.approx(1000 * error, rel=1e-3)
        assert score_of_thousands == score


def test_rmse_and_r2_are_those_of_the_definition(capsys, csv):
    # A constant input: the network can but learn the mean, of which R2 is 0 and RMSE the standard deviation.
    y = np.random.default_rng(0).normal(10, 3, 40)
    path = csv("x,t\n" + "".join(f"7,{value!r}\n" for value in y.tolist()))
    out = run(capsys, "train", path, "--layers", "none", "--epochs", "500", "--test-share", "0", "--validation", "0")[1]
    assert figures(out)["training"] == (40, pytest.approx(y.std(), rel=1e-3), pytest.approx(0, abs=1e-3))


def test_a_separable_problem_is_learned_from_a_csv_file_with_text_classes(capsys, csv):
    X = np.random.default_rng(0).normal(size=(80, 2))
    rows = "".join(f"{1000 * a},{b},{'long é' if a > 0 else 'short'}\n" for a, b in X.tolist())
    status, out, _ = run(capsys, "train", csv("weight,width,kind\n" + rows), "--epochs", "60")
    assert status == 0
    assert "data.csv: 80 examples of 2 inputs, 2 classes (long é, short)." in out
    assert "Inputs are standardised" in out
    assert figures(out)["training"][2] > 95
    assert re.search(r"\n +long é +short\n", out)


def test_of_many_classes_the_most_frequent_mistakes_are_listed(capsys, csv):
    rows = "".join(f"{i % 30},{i},a class of number {i % 30}\n" for i in range(300))
    out = run(capsys, "train", csv("a,b,c\n" + rows), "--layers", "none", "--epochs", "1")[1]
    assert re.search(r"kinds of mistakes the most frequent:\n  \d+ x a class of number \d+ taken for a class of", out)


def test_a_diverged_training_says_so_and_fails(capsys):
    status, out, err = run(capsys, "train", "moons", "--optimizer", "sgd", "--lr", "1e30", "--epochs", "3", "--layers", "9,9")
    assert status == 1
    assert err.startswith("modnet: fit: diverged")
    assert err.count("\n") == 1
    assert "training" in out


def test_a_rare_class_does_not_stop_the_split(capsys, csv):
    path = csv("a,b\n" + "".join(f"{i},{'rare' if i == 3 else 'even' if i % 2 == 0 else 'odd'}\n" for i in range(50)))
    status, out, _ = run(capsys, "train", path, *QUICK)
    assert status == 0
    assert "in the\nproportions" not in out


@pytest.mark.needs_jit
def test_ctrl_c_ends_training_at_once_and_the_figures_come():
    command = [sys.executable, "-m", "modnet", "train", "xor", "--layers", "4", "--epochs", str(10**8)]
    # Where the suite itself runs in the background, its children would ignore the signal: a terminal's do not.
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **listening) as process:
        try:
            for line in process.stdout:
                if line.startswith("epoch "):
                    process.send_signal(signal.SIGINT)
                    break
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert re.fullmatch(r"modnet: fit: interrupted in epoch \d+; the network has its last finite parameters\n", err)
    assert list(figures(out)) == ["training"]


def test_ctrl_c_before_training_is_one_line(capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "load_table", interrupt)
    assert run(capsys, "train", "xor") == (130, "", "\nmodnet: interrupted\n")


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ("epochs=150", "--epochs 150"),
        ("X = (X - X.mean(axis=0)) / X.std(axis=0)", "--scale standard"),
        ("net = Sequential(Linear(4, 32), ReLU(), Linear(32, 3))", "--layers 32 --activation relu"),
        ("optimizer = SGD(lr=0.01, momentum=0.9)", "--optimizer sgd --lr 0.01 --momentum 0.9"),
        ("patience=10", "--patience 10"),
        ("y = (y - y.mean(axis=0)) / y.std(axis=0)", ""),
    ],
)
def test_a_change_is_said_as_options_of_the_command_too(change, options):
    assert " ".join(as_options(change)) == options


def test_why_names_the_change_that_cures(capsys):
    line = ("train", "iris", "--optimizer", "sgd", "--lr", "0.00001", "--epochs", "30", "--seed", "1")
    status, out, _ = run(capsys, *line, "--why")
    assert status == 0
    assert "1. Sequential: rate-too-small" in out
    assert re.search(r"Change: optimizer = SGD\(lr=0\.\d+\)", out)
    option = re.search(r"As options: (--optimizer sgd --lr 0\.\d+)\n", out)[1]
    assert float(re.search(r"accuracy on held-out data ([\d.]+) as it is", out)[1]) < 0.8
    assert "all right" in run(capsys, *line[:2], *option.split(), *line[6:], "--why")[1]
    plain = run(capsys, *line)[1]
    assert figures(plain) == figures(out)  # the training itself is the same
    assert "rate-too-small" not in plain
    out = run(capsys, "train", "iris", "--epochs", "30", "--quiet", "--why")[1]
    assert "all right" in out
