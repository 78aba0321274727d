"""Small data sets by name, and readers for the files students meet.

``load("moons")`` gives ``X, y``: ``X`` (n, features) float64; ``y`` (n,), the classes 0..C-1 as int64, or
the numbers of a regression as float64. ``load_table`` adds the names of the features and of the classes, and
``read_csv`` gives the same for a file, so that a script serves both alike. The sets come from three places:

- scikit-learn, imported by the loaders that need it and not before: its import is slow, and digits and moons come without;
- formulas: XOR, Gaussians, checkerboard, spiral;
- CSV files of the folder ``datasets``, small enough to be read by eye.

Whatever is drawn takes ``rng``: an int, a ``numpy.random.Generator``, or None for new numbers at each call.
It is 0 unless given, so that a call gives the same data twice. ``datasets/README.md`` leads to a page on each
set: columns, units, origin, licence.
"""

from __future__ import annotations

from modnet.datasets.catalogue import Info
from modnet.datasets.csv import read_csv
from modnet.datasets.idx import read_idx
from modnet.datasets.loading import describe, info, load, load_table, names
from modnet.datasets.table import Table
from modnet.datasets.usps import read_usps

__all__ = [
    "Info",
    "Table",
    "describe",
    "info",
    "load",
    "load_table",
    "names",
    "read_csv",
    "read_idx",
    "read_usps",
]
