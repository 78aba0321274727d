"""The commands and their options, as `argparse` reads them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import modnet
from modnet.cli.arguments import activation_names, batch_size, number, one_of, optimizer_names, shape, whole

_TRAIN_EXAMPLES = """\
examples:
  python -m modnet train digits --layers 100 --epochs 30 --plot digits.png
  python -m modnet train moons --layers 16,16 --activation tanh --lr 0.01 --plot moons.png
  python -m modnet train fruit.csv --layers 20 --optimizer sgd --lr 0.05 --momentum 0.9
  python -m modnet train fruit.csv --lr 0.00001 --why
  python -m modnet train houses.csv --target price --drop id --save houses.modnet
"""

_PREDICT_EXAMPLES = """\
examples:
  python -m modnet predict houses.modnet new.csv
  python -m modnet predict houses.modnet new.csv --output prices.csv
"""

_CHECK_EXAMPLES = """\
examples:
  python -m modnet check modules.py
  python -m modnet check modules.py --class Conv1D --make "Conv1D(3, 2, 4, 2)"
  python -m modnet check TP3.ipynb
  python -m modnet check hand_ins --html report.html --csv marks.csv

status: 0 all right, 1 something was found, 2 the command line is wrong, 3 nothing was found, but not all could be checked
Checking runs the hand-ins' code: docs/check_a_class.md says what is kept from it, and how to check in a container.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with status 2."""
        if message.endswith("required: DATA"):
            message = "there is no DATA, expected a data set or a CSV file before the options, as in: train digits --epochs 30"
        self.exit(2, f"{self.prog}: error: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; what it returns has ``run``, the function of the command, and its ``parser``."""
    parser = Parser(
        prog=program(), description="Neural networks with hand-written backpropagation: train one, look at one.",
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"modnet {modnet.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _add_train(commands)
    _add_predict(commands)
    _add_check(commands)

    datasets = _command(commands, "datasets", "list the data sets that have a name, or say more about one")
    datasets.add_argument("name", nargs="?", metavar="NAME", help="one of them")

    demo = _command(commands, "demo", "train on handwritten digits, then on two moons, with pictures")
    demo.add_argument("which", nargs="*", metavar="NAME", help="digits or moons (default: both)")
    demo.add_argument("--folder", default="demo", help="where pictures go; it is made if missing (default: %(default)s)")

    _command(commands, "doctor", "show versions, processor, BLAS, threads and kernel cache, with advice")

    playground = _command(
        commands, "playground", "put a network together with the mouse and watch it learn, in a browser"
    )
    playground.add_argument("--port", type=whole(0, 65535), default=0, metavar="N", help="of the page (default: a free one)")
    playground.add_argument("--no-browser", action="store_true", help="print the address and open nothing")

    warmup = _command(commands, "warmup", "compile all kernels into the cache now, so that nothing waits later")
    warmup.add_argument("--dtype", choices=("float32", "float64", "both"), default="both", help="(default: %(default)s)")
    return parser


def program() -> str:
    """The name of the program as it was called."""
    name = os.path.basename(sys.argv[0] or "")
    return "modnet" if name in ("modnet", "modnet.exe") else "python -m modnet"


def _command(commands: Any, name: str, text: str, file: str = "", **options: Any) -> Parser:
    """The parser of a command; the function of its name runs it, in a file of `modnet.cli`, by default that of its name."""
    parser: Parser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False, **options
    )
    parser.set_defaults(run=partial(_run, file or name, name), parser=parser)
    return parser


def _run(file: str, name: str, options: argparse.Namespace) -> int:
    run: Callable[[argparse.Namespace], int] = getattr(import_module(f"modnet.cli.{file}"), name)
    return run(options)


def _add_train(commands: Any) -> None:
    train = _command(
        commands, "train", "train a network on a data set and report how good it is",
        usage=f"{program()} train DATA [options]", epilog=_TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = train.add_argument
    add("data", metavar="DATA", help="a name that `datasets` lists, or a CSV file whose last column is the target")
    add("--target", metavar="COLUMN", help="what to predict, of a file (default: its last column)")
    add("--drop", action="append", default=[], metavar="COLUMN",
        help="leave a column out, such as a number of the line; may be repeated, or a,b")  # fmt: skip
    _add_reading(add)

    group = train.add_argument_group("the network")
    add = group.add_argument
    add("--layers", nargs="+", default=["100"], metavar="SIZE",
        help="sizes of the hidden layers: 100, or 100,50, or 100 50; none for a linear network (default: 100)")  # fmt: skip
    names = activation_names()
    add("--activation", type=one_of(names), default=names["relu"], metavar="NAME",
        help=f"between layers: {', '.join(names)} (default: relu)")  # fmt: skip
    add("--dtype", choices=("float32", "float64"), default="float32",
        help="type of the numbers; float32 is about twice as fast (default: %(default)s)")  # fmt: skip

    group = train.add_argument_group("training")
    add = group.add_argument
    names = optimizer_names()
    add("--optimizer", type=one_of(names), default=names["adam"], metavar="NAME", help=f"{', '.join(names)} (default: adam)")
    add("--lr", type=number("a positive number", lambda v: v > 0), metavar="RATE",
        help="learning rate (default: 0.1 for sgd, 0.01 or the optimizer's own for others)")  # fmt: skip
    add("--momentum", type=number("a number from 0 up to 1", lambda v: 0 <= v < 1), metavar="M",
        help="for optimizers that have one")  # fmt: skip
    add("--weight-decay", type=number("a number of at least 0", lambda v: v >= 0), metavar="W",
        help="pull parameters to 0, for optimizers that can")  # fmt: skip
    add("--epochs", type=whole(1), metavar="N", help="passes over the data (default: as many as make 2000 steps, 30 to 1000)")
    add("--batch-size", type=batch_size, default=32, metavar="N", help="examples a step, or all (default: %(default)s)")
    add("--patience", type=whole(1), metavar="N",
        help="stop after N epochs without a lower validation loss, and take the best parameters")  # fmt: skip
    add("--seed", type=whole(0, 2**32 - 1), default=0, metavar="N",
        help="of the split, the first parameters and the order of examples (default: %(default)s)")  # fmt: skip

    group = train.add_argument_group("data")
    add = group.add_argument
    share = number("a share from 0 up to 1, such as 0.2", lambda v: 0 <= v < 1)
    add("--test-share", type=share, metavar="SHARE",
        help="of the examples, set aside for the last figures (default: 0.2; none of fewer than 20)")  # fmt: skip
    add("--validation", type=share, metavar="SHARE",
        help="of the examples, watched during training (default: 0.1; none of fewer than 20)")  # fmt: skip
    add("--scale", choices=("auto", "standard", "none"), default="auto",
        help="standard: inputs of mean 0 and standard deviation 1 on the training examples; "
        "auto: unless they lie in -1 to 1 already (default: %(default)s)")  # fmt: skip
    add("--task", choices=("classification", "regression"), help="of a CSV file (default: as its target looks)")

    group = train.add_argument_group("output")
    add = group.add_argument
    add("--save", metavar="FILE", help="save the model, with what its inputs were made numbers by, for `predict`, `evaluate`")
    add("--plot", metavar="FILE", help="save curves, and what the network has learned, as .png, .pdf, .svg, ...")
    add("--quiet", action="store_true", help="print the last figures only")
    add("--why", action="store_true",
        help="then say whether this training learns what the data can teach, and if not, which change cures it")  # fmt: skip


def _add_reading(add: Callable[..., Any]) -> None:
    """How a table file is read, if what is found out by itself is wrong."""
    add("--header", action=argparse.BooleanOptionalAction, default=None,
        help="whether the first line names the columns (default: if none of its cells is a number)")  # fmt: skip
    add("--separator", type=_one_character, metavar="CHARACTER",
        help="between cells, or tab (default: what cuts the lines alike)")  # fmt: skip
    add("--decimal", choices=(".", ","), help="in numbers (default: what most numbers have)")
    add("--skip-bad-lines", action="store_true", help="leave out lines with too few or too many cells, not refuse them")


def _one_character(text: str) -> str:
    found = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"it is {text!r}, expected one character, or tab")
    return found


def _add_predict(commands: Any) -> None:
    predict = _command(
        commands, "predict", "predict the lines of a table with a model that `train --save` wrote",
        epilog=_PREDICT_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    evaluate = _command(commands, "evaluate", "report how good a model is on a table that has the target", "predict")
    for parser in (predict, evaluate):
        parser.add_argument("model", metavar="MODEL", help="a file that `train --save` wrote")
        parser.add_argument("data", metavar="TABLE", help="a CSV file with the columns that were trained on, in any order")
        _add_reading(parser.add_argument)
    predict.add_argument("--output", metavar="FILE", help="write a CSV file there (default: print it)")


def _add_check(commands: Any) -> None:
    check = _command(
        commands, "check", "check the modules, losses and networks of students' files, and say what is wrong with them",
        epilog=_CHECK_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = check.add_argument
    add("paths", metavar="PATH", nargs="+", help="a .py file or a notebook, or a folder: of one project, or of many hand-ins")
    add("--class", dest="only", action="append", default=[], metavar="NAME", help="check this class only; may be repeated")
    add("--loss", action="append", default=[], metavar="NAME", help="check this loss only; may be repeated")
    add("--make", default="", metavar="CALL", help='how to build a module, such as "Conv1D(3, 2, 4, 2)"')
    add("--shape", type=shape, metavar="N,N", help="of the input for --make or --class, batch first, such as 4,8,2")
    add("--project", action="store_true", help="a folder is one hand-in, even if its files do not import one another")

    group = check.add_argument_group("limits")
    add = group.add_argument
    positive = number("a positive number", lambda v: v > 0)
    add("--timeout", type=positive, default=30.0, metavar="SECONDS",
        help="of the processor, for each class, and for loading each file (default: %(default)g)")  # fmt: skip
    add("--memory", type=positive, default=2.0, metavar="GB", help="for each class (default: %(default)g)")
    add("--jobs", type=whole(1), metavar="N", help="classes checked at the same time (default: the number of cores)")

    group = check.add_argument_group("output")
    add = group.add_argument
    add("--json", nargs="?", const="-", metavar="FILE", help="write everything as JSON; without FILE, print it")
    add("--html", metavar="FILE", help="write a page with the table and all reports")
    add("--csv", metavar="FILE", help="write a mark sheet for a spreadsheet")
