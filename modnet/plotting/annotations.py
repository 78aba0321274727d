"""What annotations name: a path, and matplotlib's types, without importing matplotlib."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

Path: TypeAlias = str | os.PathLike[str]

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
else:
    Axes = Figure = Any
