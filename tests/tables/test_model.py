"""The file of a table's model: what is in it comes back, and a file that somebody wrote to do harm is refused in a sentence."""

import copy
import random

import numpy as np

from modnet import Linear, ReLU, Sequential
from modnet.persistence import FileError, archive
from modnet.tables import Sheet, TableEncoder, TableModel, Target

CELLS = {
    "size": ["1", "2", "", "4"] * 15, "town": ["a", "b", "a", ""] * 15, "sold": [f"2020-01-{1 + k % 28:02d}" for k in range(60)],
    "words": [f"some text of number {k}" for k in range(60)],
}  # fmt: skip
SHEET = Sheet("t.csv", list(CELLS), list(CELLS.values()), list(range(2, 62)))


def model():
    encoder = TableEncoder.fitted(SHEET, np.arange(50))
    width = len(encoder.feature_names)
    net = Sequential(Linear(width, 5, rng=0), ReLU(), Linear(5, 3, rng=1))
    return TableModel(net, encoder, Target("kind", ["x", "y", "z"]), np.zeros(width), np.ones(width))


def test_a_model_that_was_kept_predicts_the_same(tmp_path):
    one = model()
    one.save(tmp_path / "m.modnet")
    other = TableModel.load(tmp_path / "m.modnet")
    np.testing.assert_array_equal(other.outputs(SHEET), one.outputs(SHEET))
    assert (other.target.name, other.target.class_names) == ("kind", ["x", "y", "z"])


JUNK = [None, -1, 10**400, 1e308, float("nan"), "", "x" * 50, [], {}, [[]], {"a": 1}, True, np.zeros((2, 3)), np.zeros(0), [1, 2]]


def places(tree, at=()):
    """The ways to every value of a tree."""
    yield at
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*at, key))


def test_a_file_with_anything_in_the_place_of_anything_is_a_model_or_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.modnet"
    model().save(path)
    whole = archive.read(path, "table model")
    chosen = random.Random(0)
    ways = [way for way in places(whole) if way]
    refused, others = 0, []
    for _ in range(200):
        tree = copy.deepcopy(whole)
        way = chosen.choice(ways)
        inner = tree
        for key in way[:-1]:
            inner = inner[key]
        if chosen.random() < 0.2:
            del inner[way[-1]]
        else:
            inner[way[-1]] = chosen.choice(JUNK)
        monkeypatch.setattr(archive, "read", lambda path, kind, tree=tree: tree)  # what a file with right checksums says
        try:
            found = TableModel.load(path)
            found.outputs(SHEET)
        except FileError:
            refused += 1
        except ValueError as error:  # a table that does not fit what the file says
            others.append(str(error))
    assert [text for text in others if not ("t.csv" in text or "predict" in text)] == []
    assert refused > 100
