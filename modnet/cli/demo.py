"""``python -m modnet demo``: train on data sets that need no choice, with pictures."""

from __future__ import annotations

import argparse
import os

import numpy as np

from modnet.cli import main
from modnet.cli.errors import UsageError, refusing
from modnet.cli.parser import program
from modnet.losses import CrossEntropy
from modnet.modules import Linear, ReLU, Tanh
from modnet.optim import Adam
from modnet.training.waiting import begin_compiling

#: What `python -m modnet demo` trains. The flags were chosen on validation data, over several seeds.
DEMOS = {
    "digits": "--layers 300 --activation relu --epochs 30 --optimizer adam --lr 0.01 --seed 0",
    "moons": "--layers 16,16 --activation tanh --epochs 100 --optimizer adam --lr 0.01 --seed 0",
}


def demo(options: argparse.Namespace) -> int:
    """Train as the flags of each demo say, as if they had been typed. The status is that of the first that failed."""
    wrong = [name for name in options.which if name not in DEMOS]
    if wrong:
        raise UsageError(f"there is no demo {wrong[0]!r}, expected {' or '.join(DEMOS)}")
    with refusing(f"--folder: {options.folder}", "a folder, or room to make one"):
        os.makedirs(options.folder, exist_ok=True)
    if not options.which:  # while the libraries for data and pictures are imported, which takes more than a second
        begin_compiling([Linear, ReLU, Linear], CrossEntropy, Adam, np.dtype(np.float32), next_modules=[Tanh])
    status = 0
    for name in options.which or DEMOS:
        line = ["train", name, *DEMOS[name].split(), "--plot", os.path.join(options.folder, f"{name}.png")]
        print("\n" * (name != (options.which or list(DEMOS))[0]) + f"$ {program()} {' '.join(line)}", flush=True)
        status = status or main(line)
    return status
