"""A table file as text: what is found out, what is said, what is refused."""

import re

import pytest

from modnet.tables import read_sheet
from modnet.tables.reading import number


@pytest.fixture
def written(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a,b\n1,2\n", [["1"], ["2"]]),
        ("a;b\n1,5;2,5\n3,5;4,5\n", [["1,5", "3,5"], ["2,5", "4,5"]]),
        ("a\tb\n1\t2\n", [["1"], ["2"]]),
        ("a|b\n1|2\n", [["1"], ["2"]]),
        ('a,b\n"x, y",2\n"z ""q""",3\n', [["x, y", 'z "q"'], ["2", "3"]]),
        ('a,b\n"two\nlines",2\n', [["two\nlines"], ["2"]]),
        ("a,b\r\n1,2\r\n\r\n", [["1"], ["2"]]),
        ("\ufeffa,b\n1,2", [["1"], ["2"]]),
        ("sep=,\r\na,b\r\n1,2;3\r\n", [["1"], ["2;3"]]),
    ],
)
def test_the_separator_quotes_and_ends_of_lines_are_found_out(written, text, columns):
    sheet = read_sheet(written(text))
    assert (sheet.names, sheet.columns) == (["a", "b"], columns)


@pytest.mark.parametrize(("text", "names", "rows"), [("1,x\n2,y\n", ["x1", "x2"], 2), ("name,x\nm,y\n", ["name", "x"], 1)])
def test_a_first_line_with_a_number_is_data(written, text, names, rows):
    sheet = read_sheet(written(text))
    assert (sheet.names, len(sheet)) == (names, rows)
    assert len(read_sheet(written(text), header=False)) == 2


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("1.5", ".", 1.5), ("1,5", ",", 1.5), ("1 234,5", ",", 1234.5), ("1\u202f234,50 €", ",", 1234.5),
        ("1.234.567,8", ",", 1234567.8), ("1,234.5", ".", 1234.5), ("1,234", ".", 1234.0), ("1.234", ",", 1234.0),
        ("-3e2", ".", -300.0), ("12 %", ".", 12.0), ("$9", ".", 9.0), ("\u22125", ".", -5.0), ("1'234.5", ".", 1234.5),
        ("1_000", ".", None), ("12a", ".", None), ("", ".", None), ("inf", ".", None), ("1,5", ".", None), ("1e999", ".", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_their_country_writes_them(cell, decimal, value):
    assert number(cell, decimal) == value


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("a;b\n1,5;x\n2,25;y\n", ","), ("a;b\n1.5;x\n2.25;y\n", "."), ('a,b\n"1,5",x\n"2,75",y\n', ","),
        ('a,b\n"1,500",x\n"2,750",y\n', "."), ("a;b\n1,500;x\n2,750;y\n", ","), ("a,b\n1,x\n2,y\n", "."),
    ],
)  # fmt: skip
def test_the_decimal_sign_is_found_out(written, text, decimal):
    assert read_sheet(written(text)).decimal == decimal


@pytest.mark.parametrize(("encoding", "note"), [("utf-8", []), ("cp1252", ["the file is not UTF-8 and was read as cp1252"])])
def test_encodings_of_spreadsheets_are_read(written, encoding, note):
    sheet = read_sheet(written("été,b\nà,1\n".encode(encoding)))
    assert sheet.names == ["été", "b"]
    assert sheet.notes == note


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "has a header and no data"),
        ("a,,c\nx,y,z\n", "line 1: column 2 has no name"),
        ("a,a\nx,y\n", "line 1: two columns are called 'a'"),
        ("a,b\nx,y\nz\nw\n", r"line 3: got 1 cell, expected 2 as in line 1, and so it is in line 4; .*--skip-bad-lines"),
        ('a,b\n1,x\n2,"y\n3,z\n4,w\n', 'line 3: a quote " is opened and never closed'),
        ('"a,b\n1,x\n', 'line 1: a quote " is opened and never closed'),
        (b"PK\x03\x04\x00\x00", "is no text file, expected a table such as CSV; save the sheet as CSV first"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(written, content, message):
    with pytest.raises(ValueError, match=message):
        read_sheet(written(content), header=True)


def test_bad_lines_can_be_left_out_and_are_named(written):
    sheet = read_sheet(written("a,b\nx,y\nz\nw,v\n"), skip_bad_lines=True)
    assert (sheet.lines, sheet.columns) == ([2, 4], [["x", "w"], ["y", "v"]])
    assert sheet.notes == ["line 3 left out: not 2 cells"]


def test_a_column_that_is_not_there_is_refused_with_the_nearest(written):
    with pytest.raises(ValueError, match=re.escape("has no column 'pirce', expected one of price, b; did you mean 'price'?")):
        read_sheet(written("price,b\nx,y\n")).without(["pirce"])
