"""The style a module is written in, as a `Subject`: the contract's, or one of those that remember their input."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.check.adapters import Adapted, remembers
from modnet.check.recipes import Recipe
from modnet.check.subject import Subject


def subject_of(module: Any, x: np.ndarray, recipe: Recipe | None = None) -> Subject:
    """A module behind the three questions; the recipe says how it was built, if that is known."""
    return Adapted(module, x, recipe) if remembers(module) else Subject(module, x)
