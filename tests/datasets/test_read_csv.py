"""The CSV reader against files written here."""

import gzip

import numpy as np
import pytest
from dataset_cases import message

from modnet.datasets import read_csv


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes a CSV file and returns its path."""

    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_csv_with_a_header_and_words_for_classes(csv):
    table = read_csv(csv("weight,length,fruit\n118,19.5,banana\n170,7,apple\n-1e-3,.5,banana\n"))
    assert table.X.dtype == np.float64
    assert table.X.tolist() == [[118, 19.5], [170, 7], [-0.001, 0.5]]
    assert table.y.dtype == np.int64
    assert table.y.tolist() == [1, 0, 1]
    assert table.feature_names == ("weight", "length")
    assert table.class_names == ("apple", "banana")
    assert table.task == "classification"


def test_csv_without_a_header(csv):
    table = read_csv(csv("1,2,a\n3,4,b\n"))
    assert table.X.tolist() == [[1, 2], [3, 4]]
    assert table.feature_names == ("x1", "x2")
    assert table.class_names == ("a", "b")


def test_csv_header_may_name_sodium(csv):
    assert read_csv(csv("Na,Mg,glass\n13.6,4.5,1\n")).feature_names == ("Na", "Mg")


def test_csv_with_a_header_of_numbers_needs_to_be_told(csv):
    path = csv("0,1,class\n5,6,a\n7,8,b\n")
    assert read_csv(path, header=True).feature_names == ("0", "1")
    assert read_csv(path).class_names == ("a", "b", "class")
    assert message(ValueError, read_csv, csv("a,b\n1,2\n"), header=False).endswith(
        "line 1: 'x1' is 'a', expected a finite number, as 0.5"
    )


@pytest.mark.parametrize(
    ("targets", "task", "y", "class_names"),
    [
        (["1", "0", "1"], None, [1, 0, 1], ("0", "1")),
        (["-1", "1", "-1"], None, [0, 1, 0], ("-1", "1")),
        (["10", "9", "2"], None, [2, 1, 0], ("2", "9", "10")),
        (["1.0", "0.0", "1.0"], None, [1.0, 0.0, 1.0], None),
        (["1", "0", "1.5"], None, [1.0, 0.0, 1.5], None),
        ([str(i) for i in range(20)], None, list(range(20)), tuple(str(i) for i in range(20))),
        ([str(i) for i in range(21)], None, [float(i) for i in range(21)], None),
        (["3", "1", "3"], "regression", [3.0, 1.0, 3.0], None),
        (["1.0", "0.0", "1"], "classification", [1, 0, 1], ("0", "1")),
        (["0.5", "0.25", "0.5"], "classification", [1, 0, 1], ("0.25", "0.5")),
        (["b", "1", "a"], "classification", [2, 0, 1], ("1", "a", "b")),
    ],
)
def test_csv_targets_are_classes_or_numbers(csv, targets, task, y, class_names):
    table = read_csv(csv("x,y\n" + "".join(f"0,{target}\n" for target in targets)), task=task)
    assert table.y.tolist() == y
    assert table.y.dtype == (np.float64 if class_names is None else np.int64)
    assert table.class_names == class_names


@pytest.mark.parametrize("target", ["kind", 1, -2])
def test_csv_target_may_be_any_column(csv, target):
    table = read_csv(csv("x,kind,z\n1,a,3\n4,b,6\n"), target)
    assert table.X.tolist() == [[1, 3], [4, 6]]
    assert table.y.tolist() == [0, 1]
    assert table.feature_names == ("x", "z")


@pytest.mark.parametrize(
    "text",
    [
        "a;b;c\n1;2;x\n3;4;y\n",
        "a\tb\tc\n1\t2\tx\n3\t4\ty\n",
        "\ufeffa,b,c\r\n1,2,x\r\n3,4,y\r\n",
        "\n\na, b, c\n\n1 , 2, x\n   \n3,4,y",
        'a,b,c\n"1",2,"x"\n3,"4",y\n',
        gzip.compress(b"a,b,c\n1,2,x\n3,4,y\n"),
    ],
    ids=["semicolons", "tabulations", "mark and CRLF", "blanks", "quotes", "gzip"],
)
def test_csv_comes_in_many_dresses(csv, text):
    X, y, feature_names, class_names = read_csv(csv(text))
    assert X.tolist() == [[1, 2], [3, 4]]
    assert y.tolist() == [0, 1]
    assert feature_names == ("a", "b")
    assert class_names == ("x", "y")


def test_csv_delimiter_may_be_given(csv):
    assert read_csv(csv("a|b\n1|x\n2|y\n"), delimiter="|").X.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "options", "after"),
    [
        ("", {}, " is empty, expected lines of numbers"),
        ("\n \n", {}, " is empty, expected lines of numbers"),
        ("a,b\n", {}, " has a header and no data, expected lines of numbers after it"),
        (
            "1\n2\n",
            {},
            ", line 1: there is 1 column, expected the features and the target, separated by commas",
        ),
        ("a,b,c\n1,2,x\n1,x\n", {}, ", line 3: there are 2 values, expected 3"),
        ("a,b,c\n\n1,2,x\n1,2,3,x\n", {}, ", line 4: there are 4 values, expected 3"),
        ("a,b,c\n1,2,x\n1,two,x\n", {}, ", line 3: 'b' is 'two', expected a finite number, as 0.5"),
        ("a;b\n1,5;x\n", {}, ", line 2: 'a' is '1,5', expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n,2,x\n", {}, ", line 3: 'a' is missing, expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n1,NA,x\n", {}, ", line 3: 'b' is missing, expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n1,nan,x\n", {}, ", line 3: 'b' is missing, expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n\n-inf,2,x\n", {}, ", line 4: 'a' is '-inf', expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n1,2,\n", {}, ", line 3: target 'c' is missing, expected a value"),
        ("a,b\n1,2.5\n1,?\n", {}, ", line 3: target 'b' is missing, expected a value"),
        (
            "a,b\n1,2.5\n1,l.5\n",
            {},
            ", line 3: target 'b' is 'l.5', expected a number as on other lines, or task='classification'",
        ),
        ("a,b\n1,cat\n", {"task": "regression"}, ", line 2: target 'b' is 'cat', expected a number"),
        ("a,b\n1,2\n1,inf\n", {}, ", line 3: 'b' is 'inf', expected a finite number, as 0.5"),
        ("?,NA,x\n1,2,y\n", {}, ", line 1: 'x1' is missing, expected a finite number, as 0.5"),
        (",a,b\n0,1,2\n", {}, ", line 1: column 1 has no name, expected a name for each column"),
        ('a,b\n1,"x\ny\n', {}, ", line 3: unexpected end of data, expected CSV"),
        (
            "a,b\n1,2\n",
            {"target": "c"},
            " has no column 'c', expected one of a, b",
        ),
        (
            "size,kind\n1,2\n",
            {"target": "kinds"},
            " has no column 'kinds', expected one of size, kind; did you mean 'kind'?",
        ),
        (
            "a,a,b\n1,2,3\n",
            {"target": "a"},
            " has 2 columns 'a', expected one or a position",
        ),
        (b"a,b\n1,\xe9\n", {}, " has a wrong byte 6, expected UTF-8 text"),
    ],
)
def test_csv_errors_say_the_line_and_what_is_wrong_there(csv, text, options, after):
    path = csv(text)
    assert message(ValueError, read_csv, path, **options) == f"read_csv: {path}{after}"


def test_csv_arguments_that_make_no_sense_are_refused(csv):
    path = csv("a,b\n1,2\n")
    assert message(TypeError, read_csv, path, 1.5) == (
        "read_csv: target is 1.5, expected 'last', a column's name or position"
    )
    assert message(ValueError, read_csv, path, 2) == (
        f"read_csv: target is 2, expected a position from -2 to 1, as {path} has 2 columns"
    )
    assert message(ValueError, read_csv, path, -3) == (
        f"read_csv: target is -3, expected a position from -2 to 1, as {path} has 2 columns"
    )
    assert message(ValueError, read_csv, path, "b", header=False) == (
        "read_csv: target is 'b', expected 'last' or a position with header=False"
    )
    assert message(ValueError, read_csv, path, task="clusters") == (
        "read_csv: task is 'clusters', expected 'classification', 'regression' or None"
    )
    assert message(ValueError, read_csv, path, delimiter=",,") == (
        "read_csv: delimiter is ',,', expected one character or None"
    )
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_csv(path.with_name("nowhere.csv"))


def test_csv_says_that_a_gzip_file_is_cut_short(csv):
    path = csv(gzip.compress(b"a,b\n1,2\n" * 100)[:-12], "data.csv.gz")
    text = message(ValueError, read_csv, path)
    assert text.startswith(f"read_csv: {path} is damaged (")
    assert text.endswith("), expected a whole gzip file")
