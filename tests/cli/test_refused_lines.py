"""Command lines and files that are refused: one line of error, and status 2."""

import re

import pytest
from command_lines import QUICK, refused, run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("digit", r"there is no data set 'digit', expected a CSV file or one of moons, .*; did you mean 'digits'\?"),
        ("nothing.csv", "there is no file 'nothing.csv', expected a CSV file or the name of a data set"),
        (".", r"\.: Is a directory, expected a CSV file or the name of a data set"),
        ("", "there is no data set '', expected a CSV file or one of moons, .*"),
        ("xor --layers big", "argument --layers: a size is 'big', expected whole numbers such as 100 or 100,50, or none"),
        ("xor --layers 5,0", "argument --layers: a size is '0', expected whole numbers .*"),
        ("xor --layers ,", "argument --layers: there are no sizes, expected whole numbers .*"),
        ("--layers 5 xor", "there is no DATA, expected a data set or a CSV file before the options, .*"),
        ("xor --activation rellu", r"argument --activation: it is 'rellu', expected one of .*, tanh.*; did you mean 'relu'\?"),
        ("xor --optimizer adm", r"argument --optimizer: it is 'adm', expected one of .*sgd; did you mean 'adam'\?"),
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
        ("", "is empty, expected lines of cells"),
        ("a,b\n", "has a header and no data, .*"),
        ("a\n1\n2\n", "has 1 column, expected inputs and a target; .*"),
        ("a,b\n,1\n,2\n", "has no column that says anything, .*"),
        ("a,b\n1,\n2,\n", "'b' is missing on every line, expected a target"),
        ("a,b\n1,2\n3\n", "line 3: got 1 cell, expected 2 as in line 1; .* --skip-bad-lines"),
        ("a,b\n1,2\n3,4\n5,1e7\n" + "7,0.5\n" * 40 + "8,x\n", "line 45: 'b' is 'x', expected a number; mend the cell.*"),
        ("a,b\n1,x\n2,x\n", "every example is of class 'x', expected two classes or more"),
        ("a,b\n1,0.5\n2,0.5\n", "every target is 0.5, expected numbers that differ"),
        ("a,b\n1e300,0.5\n-1e300,0.7\n", "column 'a' has values up to 1e\\+300, expected smaller ones"),
        ("a,b\n1,1e300\n2,-1e300\n", "the target has values up to 1e\\+300, expected smaller ones"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused_in_one_line(capsys, csv, text, message):
    path = csv(text)
    assert re.fullmatch(rf"{re.escape(str(path))}(:|,)? ?{message}", refused(capsys, "train", path, "--epochs", "2"))


@pytest.mark.parametrize(("drop", "left"), [("a", 1), ("a,b", 0)])
def test_a_table_of_which_too_much_is_dropped_is_not_taken_for_one_with_another_separator(capsys, csv, drop, left):
    path = csv("a,b\n1,x\n2,y\n")
    said = refused(capsys, "train", path, "--drop", drop)
    assert said == f"{path} has {left} of its columns left, expected inputs and a target; name fewer after --drop"


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
