"""What a table is to predict: classes or numbers, and what is said where it could be meant otherwise."""

import numpy as np
import pytest

from modnet.tables import Sheet, Target


def sheet(cells, decimal="."):
    return Sheet("t.csv", ["x", "y"], [["1"] * len(cells), list(cells)], list(range(2, len(cells) + 2)), decimal)


def found(cells, task=None, decimal="."):
    table = sheet(cells, decimal)
    target, y, _ = Target.found(table, "y", task)
    return target, y, table.notes


def test_text_and_few_whole_numbers_are_classes_and_other_numbers_a_regression():
    assert found(["oui", "non"] * 20)[0].class_names == ["non", "oui"]
    assert found(["10", "9", "1"] * 20)[0].class_names == ["1", "9", "10"]
    assert found([str(k) for k in range(40)])[0].class_names is None
    assert found(["1,5", "2,5"] * 20, decimal=",")[0].class_names is None
    target, y, notes = found(["3", "1"] * 20, "regression")
    assert (target.class_names, y[:2].tolist(), notes) == (None, [3.0, 1.0], [])


@pytest.mark.parametrize("share", [1, 10, 29])
def test_text_among_numbers_is_refused_with_its_lines(share):
    """However much of it there is: numbers on at least half of the lines are no names of classes."""
    cells = [f"{3.5 * k}" for k in range(60)]
    cells[5 : 5 + share] = ["sold"] * share
    with pytest.raises(ValueError, match=r"^t\.csv, line 7: 'y' is 'sold'") as raised:
        found(cells)
    assert ("and on 9 more lines: lines 8, 9, 10, 11, 12 and 4 more" in str(raised.value)) == (share == 10)
    assert "empty it to leave the line out; --task classification takes all as classes" in str(raised.value)
    assert found(cells, "classification")[0].task == "classification"
    with pytest.raises(ValueError, match="expected a number; mend the cell, or empty it"):
        found(cells, "regression")


def test_numbers_among_text_are_classes_and_noted():
    target, _, notes = found(["1", "2", "unknown"] * 10)
    assert target.class_names == ["1", "2", "unknown"]
    assert notes == ["'y' has text on 10 lines and numbers on 20: all are taken as classes"]


def test_texts_that_do_not_come_back_are_no_classes():
    with pytest.raises(ValueError, match="'y' has 60 different texts on 60 lines, expected classes that come back; choose another"):
        found([f"person {k}" for k in range(60)])
    assert len(found([f"person {k}" for k in range(60)], "classification")[0].class_names) == 60


def test_slips_of_the_pen_are_noted_with_their_lines():
    notes = found(["oui", "non"] * 20 + ["Oui", "nonn", "perhaps"])[2]
    assert notes == [
        "'y' has the classes 'Oui', 'oui', which differ in their capitals alone; write them alike",
        "line 42: 'y' is 'Oui', a class of one line, which is too few to learn it",
        "line 43: 'y' is 'nonn', a class of one line; is 'non' meant?",
        "line 44: 'y' is 'perhaps', a class of one line, which is too few to learn it",
    ]


def test_classes_keep_the_writing_of_the_file_and_are_found_in_another():
    target, y, _ = found(["07", "12", "07"])
    assert (target.class_names, y.tolist()) == (["07", "12"], [0, 1, 0])
    assert target.shown(np.array([0])) == ["07"]
    assert target.values(sheet(["7", "12", "12.0"]))[0].tolist() == [0, 1, 1]
    assert found(["1", "01", "2"])[0].class_names == ["1", "2"]
    assert found(["1.0", "2.0"], "classification")[0].class_names == ["1", "2"]
