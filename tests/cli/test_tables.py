"""`train --save`, `predict` and `evaluate` on tables as people have them."""

import csv as reader
import errno
import io
import os
import sys

import numpy as np
import pytest
from command_lines import figures, refused, run

import modnet
from modnet.__main__ import main
from modnet.cli.data import scaling
from modnet.tables import TableModel

QUICK = ["--layers", "8", "--epochs", "60", "--test-share", "0.2"]


@pytest.fixture
def houses(csv):
    """Prices that depend on the surface, the town and the day, written as in France."""
    rng = np.random.default_rng(0)
    lines = []
    for k in range(200):
        surface, town, day = rng.uniform(10, 150), ["Paris", "Lyon", ""][k % 3], 1 + k % 28
        price = surface * (9000 if town == "Paris" else 4000)
        cells = [f"A{k}", town, f"{surface:.1f}".replace(".", ","), f"{day:02d}/0{1 + k % 9}/2021", f"{price:,.2f} €"]
        lines.append(";".join([*cells[:4], cells[4].replace(",", " ").replace(".", ",")]))
    lines[4] = lines[4].replace(lines[4].split(";")[2], "douze")
    lines[7] = ";".join([*lines[7].split(";")[:4], ""])
    return csv("n°;ville;surface;vendu;prix\n" + "\n".join(lines))


def test_a_french_table_is_learned_saved_and_predicted(capsys, csv, houses, tmp_path):
    model = tmp_path / "houses.modnet"
    status, out, err = run(capsys, "train", houses, "--target", "prix", "--drop", "n°", "--save", model, *QUICK)
    assert (status, err) == (0, "")
    assert "a number to predict" in out
    assert "- numbers have a decimal comma\n" in out
    assert "- line 9 left out: 'prix' is missing\n" in out
    assert "- line 6: 'surface' is 'douze', no number; taken as missing\n" in out
    assert "- 'vendu' is read with the day first\n" in out
    assert figures(out)["test"][2] > 0.9

    new = csv("surface;inconnu;ville;vendu\n100,0;1;Paris;03/05/2021\n100,0;2;Lyon;03/05/2021\n", "new.csv")
    status, out, err = run(capsys, "predict", model, new)
    head, *values = out.split()
    assert (status, head) == (0, "prix")
    assert [float(value) for value in values] == [pytest.approx(900_000, rel=0.2), pytest.approx(400_000, rel=0.2)]

    status, out, _ = run(capsys, "evaluate", model, houses)
    assert status == 0
    assert float(out.split()[-1]) > 0.9


def test_predictions_are_those_of_the_network_that_was_trained(capsys, csv, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 2)).round(4)
    rows = [f"{a},{'red' if b > 0 else 'blue'},{'yes' if a + b > 0 else 'no'}" for a, b in X.tolist()]
    path, model = csv("size,colour,kind\n" + "\n".join(rows)), tmp_path / "m.modnet"
    out = run(capsys, "train", path, "--save", model, "--test-share", "0", "--validation", "0", *QUICK[:4])[1]
    loaded = TableModel.load(model)
    assert loaded.encoder.feature_names == ["size", "colour=blue", "colour=red"]
    np.testing.assert_array_equal(loaded.mean[1:], 0)  # a category is not scaled
    scores = modnet.predict(loaded.net, np.stack([(X[:, 0] - X[:, 0].mean()) / X[:, 0].std(), X[:, 1] <= 0, X[:, 1] > 0], 1))
    printed = list(reader.reader(io.StringIO(run(capsys, "predict", model, path)[1])))
    assert printed[0] == ["kind", "probability"]
    assert [row[0] for row in printed[1:]] == [["no", "yes"][k] for k in scores.argmax(axis=1)]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose([float(row[1]) for row in printed[1:]], (e / e.sum(axis=1, keepdims=True)).max(axis=1), atol=1e-4)
    right = np.mean([row[0] == text.rpartition(",")[2] for row, text in zip(printed[1:], rows)])
    assert figures(out)["training"][2] == pytest.approx(100 * right, abs=0.05)


def test_a_data_set_with_a_name_can_be_saved_and_used_on_a_file(capsys, csv, tmp_path):
    model = tmp_path / "iris.modnet"
    run(capsys, "train", "iris", "--save", model, "--epochs", "30")
    table = modnet.datasets.load_table("iris")
    lines = [",".join([*map(str, x), table.class_names[k]]) for x, k in zip(table.X.tolist(), table.y)]
    path = csv(",".join([*table.feature_names, "target"]) + "\n" + "\n".join(lines))
    out = run(capsys, "evaluate", model, path)[1]
    assert "Wrong on the given data" in out
    assert float(out.splitlines()[1].split()[-2]) > 90


def test_predictions_go_into_a_file(capsys, csv, tmp_path):
    model, path = tmp_path / "m.modnet", csv("a,b\n" + "".join(f"{k},{k % 2}\n" for k in range(30)))
    run(capsys, "train", path, "--save", model, "--epochs", "2")
    status, out, _ = run(capsys, "predict", model, path, "--output", tmp_path / "out.csv")
    assert (status, out) == (0, "")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 31


def test_what_does_not_fit_a_model_is_refused_in_one_line(capsys, csv, tmp_path):
    model, path = tmp_path / "m.modnet", csv("size,b\n" + "".join(f"{k},{k % 2}\n" for k in range(30)))
    run(capsys, "train", path, "--save", model, "--epochs", "2")
    other = csv("sise,b\n1,0\n", "other.csv")
    assert refused(capsys, "predict", model, other).endswith("has no column 'size', expected one of sise, b; did you mean 'sise'?")
    assert "has no column 'b'" in refused(capsys, "evaluate", model, csv("size,c\n1,0\n", "third.csv"))
    assert "has no header, expected the names size" in refused(capsys, "predict", model, csv("1,0\n", "none.csv"))
    assert "is not a file that modnet has written" in refused(capsys, "predict", path, path)
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    model.write_bytes(damaged)
    assert "damaged" in refused(capsys, "predict", model, path)
    assert "is a folder" in refused(capsys, "train", path, "--save", tmp_path)
    assert "has no column 'x', expected one of size, b" in refused(capsys, "train", path, "--drop", "x")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no place that is always full")
def test_a_full_disk_is_said_in_a_line(capsys, csv, tmp_path, monkeypatch):
    path, model = csv("a,b\n" + "\n".join(f"{k},{'xy'[k % 2]}" for k in range(30))), tmp_path / "m.modnet"
    run(capsys, "train", path, "--save", model, "--layers", "2", "--epochs", "2")
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        status = main(["predict", str(model), str(path)])
    assert (status, capsys.readouterr().err) == (1, "python -m modnet predict: error: the output: No space left on device\n")
    assert "/dev/full: No space left on device, expected another place" in refused(capsys, "predict", model, path, "--output", "/dev/full")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = model.read_bytes()
    monkeypatch.setattr(os, "fsync", fail)
    status, out, err = run(capsys, "train", path, "--save", model, "--layers", "2", "--epochs", "2")
    assert (status, err) == (1, f"modnet: the model was not saved: {model}: No space left on device\n")
    assert "No model was saved" in out
    assert model.read_bytes() == before


def test_columns_of_zeros_and_ones_can_be_kept_from_scaling():
    X = np.random.default_rng(0).normal(5, 3, (40, 2))
    mean, scale, *_ = scaling(X, None, "classification", "standard", np.array([True, False]))
    assert (mean[1], scale[1]) == (0, 1)
    np.testing.assert_allclose(((X - mean) / scale)[:, 0].std(), 1)
