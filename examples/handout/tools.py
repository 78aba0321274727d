"""What the seven scripts share: their options, the digits, and pages of small images."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib import use
from matplotlib.figure import Figure
from scipy.ndimage import zoom
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from modnet.datasets import load
from modnet.handout import Linear, load_usps
from modnet.plotting import use_style

use("agg")  # pictures go to files: no screen is needed
use_style()
OUT = Path(__file__).resolve().parent.parent / "out"


def options(description: str, digits: bool = False) -> argparse.Namespace:
    """The command line of a script: --out, --quick, and --usps where it reads digits."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the pictures (examples/out)")
    parser.add_argument("--quick", action="store_true", help="a few steps on a few examples, to see that it runs")
    if digits:
        usps = "the course's digits: one file, or one to learn from and one for the test"
        parser.add_argument("--usps", nargs="+", type=Path, metavar="FILE", help=usps)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    threadpool_limits(1)  # matrices this small are not worth sharing among threads, which would wait for each other
    return args


def digits(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Handwritten digits of 16 by 16 pixels from 0 to 1: X (n, 256) and labels y (n,), to learn from and to be tested on.

    Without --usps they are scikit-learn's 1797 digits of 8 by 8 pixels, drawn twice as large. One digit in four is kept for
    the test, the same proportion of each class; with two files, the second is the test.
    """
    if args.usps:
        parts = [load_usps(file) for file in args.usps[:2]]
        X, y = parts[0][0] / 2, parts[0][1]
    else:
        small, y = load("digits")
        X = zoom(small.reshape(-1, 8, 8), (1, 2, 2), order=1).reshape(-1, 256)
    if args.usps and len(parts) == 2:
        X_train, y_train, X_test, y_test = X, y, parts[1][0] / 2, parts[1][1]
    else:
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    if args.quick:
        X_train, y_train, X_test, y_test = X_train[:200], y_train[:200], X_test[:100], y_test[:100]
    print(f"{len(X_train)} digits to learn from, {len(X_test)} for the test, of {X_train.shape[1]} pixels")
    return X_train, y_train, X_test, y_test


def page(rows: dict[str, np.ndarray], path: Path, title: str = "", labels: list[str] | None = None) -> None:
    """Draw rows of square images, each an array (n, pixels) with its name at the left; labels stand above the columns."""
    count = max(map(len, rows.values()))
    figure = Figure(figsize=(1.6 + 0.75 * count, 0.45 + 0.78 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        side = int(np.sqrt(images.shape[1]))
        for axes, image in zip(line, images, strict=False):
            axes.imshow(image.reshape(side, side), cmap="gray_r", vmin=0, vmax=max(1.0, float(images.max())))
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    for axes, label in zip(grid[0], labels or [], strict=False):
        axes.set_title(label, fontsize=9)
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a picture and say where it is."""
    figure.savefig(path, dpi=120, bbox_inches="tight")
    print(f"  picture: {path.name}")


def scaled(linear: Linear) -> Linear:
    """Divide the weights of a Linear by the root of its inputs: a sum of many of them is then no larger than one of few.

    The statement draws them in (-1, 1) whatever the size: with 256 inputs, a tanh begins at the ends of its range, where
    it hardly has a derivative, and nothing learns.
    """
    linear._parameters /= np.sqrt(linear.in_features)
    return linear


def finish() -> None:
    """Say what the script took, as processor time: it does not depend on what else the machine does."""
    print(f"took {time.process_time():.1f} s of processor time")
