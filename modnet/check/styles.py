"""The style a module is written in, as a `Subject`: the contract's, or one of those that remember their input."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.check.adapters import Adapted, remembers
from modnet.check.subject import Subject


def subject_of(module: Any, x: np.ndarray) -> Subject:
    """A module behind the three questions."""
    return Adapted(module, x) if remembers(module) else Subject(module, x)


__all__ = ["subject_of"]
