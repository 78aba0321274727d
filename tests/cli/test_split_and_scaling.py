"""Which examples `train` trains on, and how it scales them."""

import numpy as np
import pytest

from modnet import datasets
from modnet.cli.data import scaling, split
from modnet.cli.parser import build_parser
from modnet.tables import TableModel


def options_of(*arguments):
    return build_parser().parse_args(["train", "xor", *arguments])


@pytest.mark.parametrize("name", ["iris", "diabetes", "three_categories"])
def test_the_parts_of_a_split_are_disjoint_and_leave_nothing_out(name):
    table = datasets.load_table(name)
    rows, stratified = split(table, options_of())
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(table.y)))
    assert stratified
    if table.class_names:
        for part in (rows[0], rows[2]):
            share = np.bincount(table.y[part]) / len(part)
            np.testing.assert_allclose(share, np.bincount(table.y) / len(table.y), atol=1 / len(part))


def test_inputs_are_scaled_by_the_training_part_alone():
    X = np.random.default_rng(0).normal(5, 3, (40, 2))
    X[:, 1] = 4.0
    scaled = TableModel(None, None, None, *scaling(X[:30], None, "classification", "auto"))
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
    found = {how: bool((scaling(X, None, "classification", how)[1] != 1).any()) for how in ("auto", "standard", "none")}
    assert found == {"auto": scales, "standard": True, "none": False}
