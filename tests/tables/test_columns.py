"""What a column means, and its numbers, against ones that were worked out by hand or by another library."""

from datetime import datetime

import numpy as np
import pytest

from modnet.tables.columns import Category, Column, Date, Number, Text, column_of, day_of


def numbers(cells, decimal=".", chosen=None):
    column, _ = column_of("c", cells, decimal, list(range(len(cells))) if chosen is None else chosen)
    return column, column.transform(cells, decimal)[0]


def test_a_missing_number_is_the_median_and_a_one_beside_it():
    column, X = numbers(["1", "", "10", "NA", "4"])
    assert isinstance(column, Number)
    assert X.tolist() == [[1, 0], [4, 1], [10, 0], [4, 1], [4, 0]]
    assert column.feature_names == ["c", "c is missing"]


def test_what_is_learned_comes_from_the_chosen_rows_alone():
    column, X = numbers(["1", "2", "3", "1000", ""], chosen=[0, 1, 2])
    assert (column.median, column.has_missing) == (2.0, False)
    assert X[4].tolist() == [2.0]


def test_a_word_among_numbers_is_missing_and_its_row_is_named():
    cells = ["1"] * 20 + ["many"]
    column, _ = numbers(cells)
    assert isinstance(column, Number)
    assert column.transform(cells, ".")[1] == [20]


def test_a_category_has_a_column_for_each_text_and_none_for_a_new_one():
    column, X = numbers(["b", "a", "", "b"])
    assert isinstance(column, Category)
    assert X.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    values, new = column.transform(["a", "new", ""], ".")
    assert values.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert new == [1]


@pytest.mark.parametrize(
    ("cell", "order", "expected"),
    [
        ("2024-03-01", "iso", datetime(2024, 3, 1)), ("2024-3-1", "iso", datetime(2024, 3, 1)),
        ("2024-03-01 12:30:15", "iso", datetime(2024, 3, 1, 12, 30, 15)), ("2024-03-01T06:00", "iso", datetime(2024, 3, 1, 6)),
        ("31/12/1999", "day", datetime(1999, 12, 31)), ("12/31/1999", "month", datetime(1999, 12, 31)),
        ("1.2.2020 13:45", "day", datetime(2020, 2, 1, 13, 45)), ("01-02-24", "day", datetime(2024, 2, 1)),
        ("2024-03-01", "day", datetime(2024, 3, 1)), ("2024-03-01 12:30", "month", datetime(2024, 3, 1, 12, 30)),
        ("31/12/1999", "iso", None), ("31/12/1999", "month", None), ("2024-13-01", "iso", None), ("30/02/2020", "day", None), ("soon", "iso", None),
    ],
)  # fmt: skip
def test_dates_are_read_in_their_order(cell, order, expected):
    found = day_of(cell, order)
    assert found == (None if expected is None else (expected - datetime(1970, 1, 1)).total_seconds() / 86400)


def test_one_day_above_twelve_says_what_comes_first():
    day, month = (column_of("c", cells, ".", [0, 1, 2])[0] for cells in (["01/02/2020", "03/04/2020", "25/04/2020"],
                                                                        ["01/02/2020", "03/04/2020", "04/25/2020"]))  # fmt: skip
    assert (day.order, month.order) == ("day", "month")


def test_dates_in_two_forms_are_dates():
    cells = ["2020-04-25", "01/02/2020", "2020-04-27", "30/04/2020"] * 3
    column, notes = column_of("c", cells, ".", list(range(12)))
    assert (column.kind, column.order) == ("date", "day")
    assert notes == ["'c' is read with the day first, where the year is not"]


def test_a_date_turns_once_a_week_and_keeps_its_days_apart():
    cells = [f"2024-01-{k:02d}" for k in range(1, 29)]
    column, X = numbers(cells)
    assert isinstance(column, Date)
    np.testing.assert_allclose(np.diff(X[:, 0]), 1)
    week = X[:, [column.feature_names.index(f"c, {wave} of week") for wave in ("sine", "cosine")]]
    np.testing.assert_allclose(week[7:], week[:-7], atol=1e-9)
    assert len(np.unique(week.round(6), axis=0)) == 7


def test_many_texts_are_topics_as_scikit_learn_makes_them():
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.pipeline import make_pipeline

    words = ["red", "green", "blue", "round", "square", "small", "large", "old"]
    cells = [f"{a} {b} {k}" for k, (a, b) in enumerate((a, b) for a in words for b in words)]
    column, X = numbers(cells)
    assert isinstance(column, Text)
    hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 4), n_features=4096, alternate_sign=False, norm=None)
    expected = make_pipeline(hashing, TfidfTransformer(), TruncatedSVD(30, random_state=0)).fit(cells).transform(cells)
    np.testing.assert_allclose(X, expected, atol=1e-9)


@pytest.mark.parametrize(
    "cells",
    [["1", "", "3"], ["a", "b", ""], ["2020-01-01", "2021-05-06", ""], [f"text number {k} of some" for k in range(50)]],
)
def test_a_column_from_its_description_gives_the_same_numbers(cells):
    column, X = numbers(cells)
    again = type(column).from_description(column.describe())
    assert isinstance(again, Column)
    np.testing.assert_array_equal(again.transform(cells, ".")[0], X)
