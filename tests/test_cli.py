"""The command line as people use it: what it prints, what it refuses, and what it answers to the shell."""

import gc
import math
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import modnet
from modnet import commands, datasets, doctor, kernels
from modnet.__main__ import main

QUICK = ["--layers", "4", "--epochs", "2"]
SECONDS = re.compile(r"\d+\.\d+ s\b")


def run(capsys, *arguments):
    """The exit status, the output and the errors of a command line."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        status = stopped.code
    out, err = capsys.readouterr()
    return status, out, err


def refused(capsys, *arguments):
    """The one line of error with which a command line must be refused, before anything is printed."""
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err.partition("error: ")[2].rstrip("\n")


def figures(out):
    """The table of final figures: {part: (examples, first, second)}."""
    found = re.findall(r"^(training|validation|test) +([\d,]+) +(\S+) +(\S+)(?: %)?$", out, re.MULTILINE)
    return {part: (int(count.replace(",", "")), float(a), float(b) if b != "-" else None) for part, count, a, b in found}


def matrix(out):
    """The confusion matrix as printed, a row a true class."""
    rows = out.partition("columns the predicted.\n\n")[2].partition("\n\n")[0].splitlines()[1:]
    return np.array([[0 if cell == "." else int(cell) for cell in row.split()[1:]] for row in rows])


@pytest.fixture
def csv(tmp_path):
    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# train


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


@pytest.mark.parametrize("name", sorted(commands.activation_names()))
def test_every_activation_of_the_library_trains(capsys, name):
    status, out, err = run(capsys, "train", "xor", *QUICK, "--activation", name)
    assert (status, err) == (0, "")
    assert re.search(rf"\[1\] +{name}\(", out, re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(commands.optimizer_names()))
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
    done, kept = map(int, re.search(r"\n(\d+) epochs in .*; the parameters are those of epoch (\d+),", out).groups())
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


# Splits and scaling


def options_of(*arguments):
    from modnet.__main__ import _parser

    return _parser().parse_args(["train", "xor", *arguments])


@pytest.mark.parametrize("name", ["iris", "diabetes", "three_categories"])
def test_the_parts_of_a_split_are_disjoint_and_leave_nothing_out(name):
    table = datasets.load_table(name)
    rows, stratified = commands._split(table, options_of())
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(table.y)))
    assert stratified
    if table.class_names:
        for part in (rows[0], rows[2]):
            share = np.bincount(table.y[part]) / len(part)
            np.testing.assert_allclose(share, np.bincount(table.y) / len(table.y), atol=1 / len(part))


def test_inputs_are_scaled_by_the_training_part_alone():
    X = np.random.default_rng(0).normal(5, 3, (40, 2))
    X[:, 1] = 4.0
    scaled = commands._Scaled(None, X[:30], None, "classification", "auto")
    inputs = scaled.inputs(X)
    np.testing.assert_allclose(inputs[:30, 0].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(inputs[:30, 0].std(), 1)
    np.testing.assert_allclose(inputs[30:, 0], (X[30:, 0] - X[:30, 0].mean()) / X[:30, 0].std())
    assert (inputs[:, 1] == 0).all()  # a constant column


@pytest.mark.parametrize(
    ("name", "scales"),
    [("digits", False), ("xor", False), ("spiral", False), ("moons", True), ("diabetes", True), ("wine", True)],
)
def test_inputs_that_lie_in_minus_one_to_one_already_are_left_alone(name, scales):
    X = datasets.load(name)[0]
    found = {how: commands._Scaled(None, X, None, "classification", how).scales for how in ("auto", "standard", "none")}
    assert found == {"auto": scales, "standard": True, "none": False}


# Pictures


@pytest.mark.parametrize(
    ("data", "panels"), [("iris", 3), ("moons", 3), ("marks_more", 2), ("different", 2)]
)
def test_plot_saves_the_curves_and_what_was_learned(capsys, tmp_path, monkeypatch, data, panels):
    from modnet import plotting

    made = []
    save = plotting.save
    monkeypatch.setattr(plotting, "save", lambda figure, path: made.append(figure) or save(figure, path))
    status, out, err = run(capsys, "train", data, *QUICK, "--plot", tmp_path / "p.png")
    assert (status, err) == (0, "")
    assert f"The picture is in {tmp_path / 'p.png'}\n" in out
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG"
        assert image.width > image.height
    (figure,) = made
    assert len([ax for ax in figure.axes if ax.get_label() != "<colorbar>"]) == panels
    assert figure.get_suptitle().startswith(f"{data}: ")


def test_a_picture_that_cannot_be_saved_is_refused_before_training(capsys, tmp_path):
    message = refused(capsys, "train", "xor", "--plot", tmp_path / "no" / "p.png")
    assert message == f"argument --plot: there is no folder {str(tmp_path / 'no')!r}, expected one that exists"
    message = refused(capsys, "train", "xor", "--plot", tmp_path)
    assert message.startswith(f"argument --plot: {str(tmp_path)!r} is a folder, expected a file, such as")
    message = refused(capsys, "train", "xor", "--plot", tmp_path / "p.doc")
    assert re.search(r"ends in '\.doc', expected one of .*\.pdf.*\.png.*\.svg", message)


def test_a_place_without_leave_to_write_is_refused_before_training(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(commands.os, "access", lambda path, mode: path != tmp_path)
    assert "cannot be written to, expected another place" in refused(capsys, "train", "xor", "--plot", tmp_path / "p.png")


def test_a_picture_that_fails_after_all_is_one_line(capsys, tmp_path, monkeypatch):
    from modnet import plotting

    def full(figure, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plotting, "save", full)
    status, out, err = run(capsys, "train", "xor", *QUICK, "--plot", tmp_path / "p.png")
    assert status == 2
    assert list(figures(out)) == ["training"]
    assert err.endswith("No space left on device, expected a place to write to\n")
    assert err.count("\n") == 1


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("digit", r"there is no data set 'digit', expected a CSV file or one of moons, .*; did you mean digits\?"),
        ("nothing.csv", "there is no file 'nothing.csv', expected a CSV file or the name of a data set"),
        (".", r"\.: Is a directory, expected a CSV file or the name of a data set"),
        ("", "there is no data set '', expected a CSV file or one of moons, .*"),
        ("xor --layers big", "argument --layers: a size is 'big', expected whole numbers such as 100 or 100,50, or none"),
        ("xor --layers 5,0", "argument --layers: a size is '0', expected whole numbers .*"),
        ("xor --layers ,", "argument --layers: there are no sizes, expected whole numbers .*"),
        ("--layers 5 xor", "there is no DATA, expected a data set or a CSV file before the options, .*"),
        ("xor --activation rellu", r"argument --activation: it is 'rellu', expected one of .*, tanh.*; did you mean relu\?"),
        ("xor --optimizer adm", r"argument --optimizer: it is 'adm', expected one of .*sgd; did you mean adam\?"),
        ("xor --momentum 0.9", "argument --momentum: Adam has none, expected another --optimizer"),
        ("xor --momentum 1", "argument --momentum: it is '1', expected a number from 0 up to 1"),
        ("xor --lr 0", "argument --lr: it is '0', expected a positive number"),
        ("xor --lr nan", "argument --lr: it is 'nan', expected a positive number"),
        ("xor --lr inf", "argument --lr: it is 'inf', expected a positive number"),
        ("xor --lr quick", "argument --lr: it is 'quick', expected a positive number"),
        ("xor --weight-decay -1", "argument --weight-decay: .*"),
        ("xor --epochs 0", "argument --epochs: it is '0', expected a whole number from 1"),
        ("xor --epochs 2.5", "argument --epochs: it is '2.5', expected a whole number from 1"),
        ("xor --seed -3", "argument --seed: it is '-3', expected a whole number from 0"),
        ("xor --batch-size none", "argument --batch-size: it is 'none', expected a whole number from 1, or all"),
        ("xor --test-share 1", "argument --test-share: it is '1', expected a share from 0 up to 1, such as 0.2"),
        ("xor --dtype float16", "argument --dtype: invalid choice: 'float16' .*"),
        ("iris --test-share 0.7 --validation 0.4", "validation and test take 165 of 150 examples, expected some left .*"),
        ("xor --patience 4", "argument --patience: there are no validation data to watch, expected --validation above 0"),
        ("iris --task regression", "argument --task: it is regression, expected none for iris, which is a classification"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(capsys, arguments, message):
    words = arguments.split(" ")
    assert re.fullmatch(message, refused(capsys, "train", *words))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty, expected lines of numbers"),
        ("a,b\n", "has a header and no data, .*"),
        ("a\n1\n2\n", "line 1: there is 1 column, .*"),
        ("a,b\nred,1\n", "line 2: 'a' is 'red', expected a finite number, as 0.5"),
        ("a,b\n,1\n", "line 2: 'a' is missing, expected a finite number, as 0.5"),
        ("a,b\n1,x\n2,x\n", "every example is of class 'x', expected two classes or more"),
        ("a,b\n1,0.5\n2,0.5\n", "every target is 0.5, expected numbers that differ"),
        ("a,b\n1e300,0.5\n-1e300,0.7\n", "column 'a' has values up to 1e\\+300, expected smaller ones"),
        ("a,b\n1,1e300\n2,-1e300\n", "the target has values up to 1e\\+300, expected smaller ones"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused_in_one_line(capsys, csv, text, message):
    path = csv(text)
    assert re.fullmatch(rf"{re.escape(str(path))}(:|,)? ?{message}", refused(capsys, "train", path, "--epochs", "2"))


def test_numbers_too_large_for_float32_are_refused_as_they_are(capsys, csv):
    path = csv("a,b\n1e37,x\n-1e37,y\n")
    assert "column 'a' has values up to 1e+37" in refused(capsys, "train", path, "--scale", "none")
    assert run(capsys, "train", path, *QUICK)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "argument COMMAND: invalid choice: 'trian' .*"),
        (["doctor", "extra"], "unrecognized arguments: extra"),
        (["datasets", "moon"], "there is no data set 'moon', expected one of .*"),
        (["demo", "wine"], "there is no demo 'wine', expected digits or moons"),
        (["demo", "--folder", "/dev/null/demo"], "--folder: /dev/null/demo: .*"),
        (["warmup", "--dtype", "float16"], "argument --dtype: invalid choice: 'float16' .*"),
    ],
)
def test_other_wrong_commands_are_refused_in_one_line(capsys, arguments, message):
    assert re.fullmatch(message, refused(capsys, *arguments))


# The other commands


def test_no_command_shows_the_commands(capsys):
    status, out, err = run(capsys)
    assert (status, out) == (2, "")
    assert all(command in err for command in ("train", "datasets", "demo", "doctor", "warmup"))


def test_version_and_help(capsys):
    assert run(capsys, "--version") == (0, f"modnet {modnet.__version__}\n", "")
    status, out, err = run(capsys, "train", "--help")
    assert (status, err) == (0, "")
    assert all(option in out for option in ("--layers", "--activation", "--optimizer", "--plot", "--patience"))


def test_help_and_datasets_import_neither_scikit_learn_nor_matplotlib():
    code = """
import contextlib, sys
from modnet.__main__ import main
with contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"sklearn", "matplotlib"}))
"""
    for words in (["--help"], ["train", "--help"], ["datasets"], ["train", "xor", "--lr", "0"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("[]\n"), words


def test_datasets_lists_every_name_with_its_sizes(capsys):
    status, out, _ = run(capsys, "datasets")
    assert status == 0
    for name in datasets.names():
        record = datasets.info(name)
        assert re.search(rf"^{name} +{record.n} +{record.features} ", out, re.MULTILINE)
    status, out, _ = run(capsys, "datasets", "wine")
    assert " ".join(out.split()) == datasets.describe("wine")


@pytest.mark.needs_jit
def test_the_demo_reaches_97_percent_on_digits_and_draws_both_pictures(capsys, tmp_path):
    status, out, _ = run(capsys, "demo", "--folder", tmp_path / "demo")
    assert status == 0
    digits, moons = re.split(r"^\$ .*train moons", out, flags=re.MULTILINE)
    assert figures(digits)["test"][2] >= 97
    assert figures(moons)["test"][2] >= 97
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["digits.png", "moons.png"]


def test_a_reader_who_leaves_early_is_no_error():
    code = "import sys; from modnet.__main__ import main; sys.exit(main(['datasets']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


# doctor


def test_doctor_shows_what_the_library_stands_on(capsys):
    import numba

    status, out, err = run(capsys, "doctor")
    assert (status, err) == (0, "")
    assert re.search(rf"^  numba +{re.escape(numba.__version__)}$", out, re.MULTILINE)
    assert re.search(rf"^  numpy +{re.escape(np.__version__)}$", out, re.MULTILINE)
    assert str(kernels.cache_folder()) in out
    for title in ("versions", "processor", "matrix products (BLAS)", "environment", "compiled kernels", "advice"):
        assert f"{title}\n  " in out


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NUMBA_DISABLE_JIT", "1", "NUMBA_DISABLE_JIT is 1: kernels run as plain Python"),
        ("NUMBA_BOUNDSCHECK", "1", "NUMBA_BOUNDSCHECK is 1: every index"),
        ("NUMBA_OPT", "0", "NUMBA_OPT is 0: kernels are compiled with less optimisation"),
        ("OPENBLAS_L2_SIZE", "512", "OPENBLAS_L2_SIZE is 512: "),
        ("NUMBA_CACHE_DIR", "/x", "MODNET_CACHE_DIR does"),
    ],
)
def test_doctor_advises_on_the_environment(monkeypatch, name, value, words):
    monkeypatch.delenv(name, raising=False)
    before: list[str] = []
    assert name not in dict(doctor._environment(before))
    monkeypatch.setenv(name, value)
    advice: list[str] = []
    assert dict(doctor._environment(advice))[name] == value
    assert [words in line for line in advice if line not in before] == [True]


@pytest.mark.parametrize(("core", "width", "advised"), [
    ("Haswell", 512, True), ("Prescott", 256, True), ("SkylakeX", 512, False), ("Haswell", 256, False), ("ARMV8", 128, False),
])  # fmt: skip
def test_doctor_advises_where_openblas_runs_code_for_an_older_core(monkeypatch, core, width, advised):
    monkeypatch.setattr(doctor, "vector_bits", lambda: width)
    monkeypatch.setenv("OPENBLAS_CORETYPE", core)
    advice: list[str] = []
    doctor._advise_core(core, advice)
    assert [f"because OPENBLAS_CORETYPE is {core}: unset it" in line for line in advice] == [True] * advised


def test_doctor_says_what_state_the_cache_is_in(monkeypatch, tmp_path):
    folder = tmp_path / "aa-py311-numba1-x"
    monkeypatch.setattr(doctor, "cache_folder", lambda: folder)
    monkeypatch.setattr(doctor, "JIT_DISABLED", False)
    advice: list[str] = []
    assert dict(doctor._cache(advice))["state"] == "0 kernels, 0.0 MB, writable"
    assert advice[0].startswith("no kernel is compiled yet")

    other = tmp_path / "bb-py311-numba1-x"
    for place, count in ((folder, 1), (other, 3)):
        place.mkdir()
        for i in range(count):
            (place / f"k{i}.kernel").write_bytes(b"0" * 500_000)
    advice = []
    rows = dict(doctor._cache(advice))
    assert rows["state"] == "1 kernel, 0.5 MB, writable"
    assert rows["other versions"] == "1 folder, 3 kernels, 1.5 MB"
    assert advice == []

    monkeypatch.setattr(doctor, "cache_folder", lambda: None)
    doctor._cache(advice)
    assert advice[0].startswith("no folder can be had for compiled kernels")


# warmup


def test_warmup_knows_every_kernel_there_is():
    known = {id(kernel) for kernel in doctor.kernels()}
    made = [held for held in gc.get_objects() if issubclass(type(held), kernels.Compiled)]
    missing = [held for held in made if held.function.__module__.startswith("modnet.") and id(held) not in known]
    assert missing == []
    assert len(known) > 40


@pytest.mark.needs_jit
def test_warmup_compiles_once_and_finds_the_kernels_there_the_next_time(tmp_path):
    code = """
import sys
from modnet import doctor
from modnet.table import scale, shuffle
doctor.kernels = lambda: [scale, shuffle]  # shuffle has no numbers of either type: it is one kernel for both
sys.exit(doctor.warmup())
"""
    env = {**os.environ, "MODNET_CACHE_DIR": str(tmp_path)}
    for compiled, there in ((3, 0), (0, 3)):
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{compiled} kernels compiled, {there} were there already, ")
        assert str(tmp_path) in done.stdout
    assert len(list(tmp_path.rglob("*.kernel"))) == 3
    done = subprocess.run(
        [sys.executable, "-c", code], env={**env, "MODNET_CACHE_DIR": "/dev/null/x"}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "not all of them could be kept" in done.stderr


def test_warmup_without_a_compiler_has_nothing_to_do(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "JIT_DISABLED", True)
    status, out, _ = run(capsys, "warmup")
    assert status == 0
    assert out == "NUMBA_DISABLE_JIT is set: kernels run as plain Python, there is nothing to compile\n"
