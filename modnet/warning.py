"""Warnings that name the line of whoever called the library, however many of its own functions are between."""

from __future__ import annotations

import os
import sys
import warnings

_OWN = os.path.dirname(__file__) + os.sep
#: Packages that call the library on somebody's behalf.
_BETWEEN = {"sklearn", "joblib"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line that is not in modnet, nor in scikit-learn, which wraps the methods of estimators."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_OWN) or str(frame.f_globals.get("__name__")).split(".")[0] in _BETWEEN
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
