"""A table as inputs: what is learned from which lines, and how columns of another table are found."""

import numpy as np
import pytest

from modnet.tables import Sheet, TableEncoder


def sheet(columns, has_header=True):
    rows = len(next(iter(columns.values())))
    return Sheet("t.csv", list(columns), [list(c) for c in columns.values()], list(range(2, 2 + rows)), has_header=has_header)


TABLE = {"a": ["1", "3", "", "100"], "b": ["x", "y", "x", "z"], "c": ["7", "7", "7", "7"]}


def test_what_is_learned_comes_from_the_rows_trained_on():
    encoder = TableEncoder.fitted(sheet(TABLE), np.array([0, 1, 2]))
    assert encoder.feature_names == ["a", "a is missing", "b=x", "b=y", "c"]
    X = encoder.transform(sheet(TABLE))
    assert X.tolist() == [[1, 0, 1, 0, 7], [3, 0, 0, 1, 7], [2, 1, 1, 0, 7], [100, 0, 0, 0, 7]]
    assert encoder.scaled.tolist() == [True, False, False, False, True]


def test_columns_are_found_by_name_in_any_order_and_others_passed_over():
    encoder = TableEncoder.fitted(sheet(TABLE), np.arange(4))
    turned = {"more": ["?"] * 4, **{name: TABLE[name] for name in ("c", "b", "a")}}
    np.testing.assert_array_equal(encoder.transform(sheet(turned)), encoder.transform(sheet(TABLE)))


def test_without_a_header_columns_are_found_by_place():
    bare = sheet(dict(zip(("x1", "x2", "x3"), TABLE.values())), has_header=False)
    encoder = TableEncoder.fitted(bare.without(["x2"]), np.arange(4))
    expected = TableEncoder.fitted(sheet(TABLE).without(["b"]), np.arange(4)).transform(sheet(TABLE))
    np.testing.assert_array_equal(encoder.transform(bare), expected)
    np.testing.assert_array_equal(encoder.transform(bare.without(["x2"])), expected)
    np.testing.assert_array_equal(encoder.transform(sheet(dict(zip("uvw", TABLE.values())))), expected)
    with pytest.raises(ValueError, match="has 2 columns, expected at least 3"):
        encoder.transform(sheet({"a": ["1"], "b": ["x"]}))


def test_cells_that_cannot_be_used_are_noted_with_their_lines():
    notes = []
    TableEncoder.fitted(sheet(TABLE), np.arange(4)).transform(sheet({**TABLE, "a": ["1", "many", "few", "2"]}), notes)
    assert notes == ["lines 3, 4: 'a' is 'many' and the like, no number; taken as missing"]
    notes.clear()
    TableEncoder.fitted(sheet(TABLE), np.arange(3)).transform(sheet(TABLE), notes)
    assert notes == ["line 5: 'b' is 'z', not met in training; taken as no category"]


def test_its_description_makes_it_again():
    encoder = TableEncoder.fitted(sheet(TABLE), np.arange(4))
    again = TableEncoder.from_description(encoder.describe())
    np.testing.assert_array_equal(again.transform(sheet(TABLE)), encoder.transform(sheet(TABLE)))
