"""The list of all data sets: name, sizes, a text, and the function that loads it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from modnet.datasets.generators import blobs, checkerboard, circles, gaussians, moons, spiral, xor
from modnet.datasets.stored import diabetes, digits, from_csv, from_scikit_learn
from modnet.datasets.table import Table, Task


@dataclass(frozen=True)
class Info:
    """What a data set is, as ``load`` gives it without options.

    Attributes
    ----------
    name : str
    n, features : int
        Rows and columns of ``X``.
    classes : int or None
        How many; None in a regression.
    text : str
        A sentence or two for humans.
    """

    name: str
    n: int
    features: int
    classes: int | None
    text: str
    _loader: Callable[..., Table] = field(repr=False)

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return "regression" if self.classes is None else "classification"

    @property
    def options(self) -> Mapping[str, Any]:
        """The options ``load`` takes for this set, each with its default."""
        options = {name: given.default for name, given in inspect.signature(self._loader).parameters.items()}
        if self.classes is not None:
            options["labels"] = None
        return MappingProxyType(options)


SETS = {
    record.name: record
    for record in (
        Info(
            "moons", 500, 2, 2,
            "Half circles that interlock, with normal noise. No line separates them, a hidden layer does.",
            moons,
        ),
        Info(
            "circles", 500, 2, 2,
            "A circle (class 1) inside another (class 0), with normal noise.",
            circles,
        ),
        Info(
            "blobs", 500, 2, 3,
            "Round clouds around random centers. One linear layer separates them where they keep apart.",
            blobs,
        ),
        Info(
            "digits", 1797, 64, 10,
            "Handwritten digits of 8 x 8 pixels, row by row, from 0 (white) to 1 (black), or to 16 with "
            "scale=False.",
            digits,
        ),
        Info(
            "iris", 150, 4, 3,
            "Three species of iris by the length and width of sepal and petal, in cm.",
            lambda: from_scikit_learn("iris"),
        ),
        Info(
            "wine", 178, 13, 3,
            "Italian wines of three growers by a chemical analysis. The features' sizes differ much: scale "
            "them first.",
            lambda: from_scikit_learn("wine"),
        ),
        Info(
            "breast_cancer", 569, 30, 2,
            "Malignant (0) and benign (1) tumours by the shape of their cell nuclei. The features' sizes "
            "differ much: scale them first.",
            lambda: from_scikit_learn("breast_cancer"),
        ),
        Info(
            "diabetes", 442, 10, None,
            "How far diabetes went in a year, from ten measures of the patient, which come centred and of "
            "one small size unless scaled=False.",
            diabetes,
        ),
        Info(
            "xor", 4, 2, 2,
            "Exclusive or: class 1 where one of the two coordinates is 1. With n and sigma (a standard "
            "deviation), as many noisy points.",
            xor,
        ),
        Info(
            "two_gaussians", 1000, 2, 2,
            "Two round clouds, class 1 around (centerx, centery), class 0 around its opposite. A perceptron "
            "separates them. sigma is a standard deviation.",
            partial(gaussians, "two_gaussians", ((-1, -1), (1, 1))),
        ),
        Info(
            "four_gaussians", 1000, 2, 2,
            "XOR of four round clouds: class 1 where both coordinates have one sign, class 0 where they "
            "differ. No perceptron separates them. sigma is a standard deviation.",
            partial(gaussians, "four_gaussians", ((-1, 1), (1, 1), (1, -1), (-1, -1))),
        ),
        Info(
            "checkerboard", 1000, 2, 2,
            "Points of [-4, 4]^2 by the colour of their unit square. Hard for a small network.",
            checkerboard,
        ),
        Info(
            "spiral", 300, 2, 3,
            "Arms that turn around the origin, each a class, with n points each.",
            spiral,
        ),
        Info(
            "three_categories", 30, 2, 3,
            "Ten points in the plane for each of three categories. One linear layer separates them.",
            partial(from_csv, "three_categories"),
        ),
        Info(
            "marks", 4, 3, None,
            "Four students: three marks, and the final mark to predict, out of 20.",
            partial(from_csv, "marks"),
        ),
        Info(
            "marks_more", 60, 3, None,
            "Sixty made-up students: three marks, and the final mark to predict, out of 20. Enough for "
            "mini-batches.",
            partial(from_csv, "marks_more"),
        ),
        Info(
            "different", 4, 2, None,
            "The operator different: 1 where two numbers differ, 0 where they are equal. min(a |x - y|, 1) "
            "learns it.",
            partial(from_csv, "different"),
        ),
    )
}  # fmt: skip
