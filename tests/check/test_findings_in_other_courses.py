"""The table of what was said of twelve projects in other courses' styles: what it claims of the checker, and that it is whole."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from modnet.check.kinds import kinds

TABLE = Path(__file__).parent / "data" / "findings_in_other_courses.csv"
#: Kinds of labels that are no kind of the checker's: what a label says is wrong, where no finding has that name.
_NOT_OURS = {"aliased-output", "mask-order", "one-example"}
#: Right rows with findings: what is said there is true, and is not about the derivative that the row calls right.
_TRUE_ALL_THE_SAME = {
    "rnn_backward": "saturates",
    "Activation_Softmax_Loss_CaterogricalCrossentropy": "crash",
    "ConvolutionalLayer": "stride",
    "Flatten": "identity",
}


@pytest.fixture(scope="module")
def rows():
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def said(row):
    """The kinds that were said, and where."""
    return [tuple(part.split(" on ", 1)) for part in row["what was said"].split("; ") if part]


def test_every_labelled_mistake_is_listed_and_most_have_their_names(rows):
    labelled = [row for row in rows if row["kind"] != "right"]
    results = [row["result"] for row in labelled]
    assert len({row["project"] for row in labelled}) == 12
    assert len(labelled) == 81
    assert results.count("not listed") == 0
    assert results.count("named") >= 0.7 * len(results)
    assert results.count("named") + results.count("found under another kind") >= 0.85 * len(results)


def test_results_follow_from_what_was_said(rows):
    for row in rows:
        if row["kind"] == "right":
            continue
        wanted, found = set(row["kind"].split(" or ")), said(row)
        on_method = [kind for kind, where in found if row["method"] in where]
        named = wanted.intersection(on_method or [kind for kind, _ in found])
        expected = (
            "named"
            if named
            else "found under another kind"
            if on_method
            else "something else said"
            if found
            else "nothing said"
        )
        assert row["result"] == expected, row


def test_every_kind_is_explained_and_every_mistake_was_confirmed_without_the_checker(rows):
    for row in rows:
        assert {kind for kind, _ in said(row)} <= set(kinds())
        if row["kind"] != "right":
            assert set(row["kind"].split(" or ")) <= set(kinds()) | _NOT_OURS, row
            assert row["how confirmed"] in ("central differences in float64", "the line was run", "reading")


def test_what_is_right_is_left_alone(rows):
    right = [row for row in rows if row["kind"] == "right"]
    assert len(right) == 71
    spoken = [row for row in right if row["result"] == "something said"]
    assert {row["class or function"] for row in spoken} == set(_TRUE_ALL_THE_SAME)
    for row in spoken:
        assert _TRUE_ALL_THE_SAME[row["class or function"]] in [kind for kind, _ in said(row)]
    assert sum(row["result"] == "nothing said" for row in right) >= 63
