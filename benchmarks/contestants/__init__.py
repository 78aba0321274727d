"""Who takes part in the training: a class for each, in a file for each library, imported in a process of its own."""

from __future__ import annotations

import importlib
from typing import Any

CONTESTANTS = {
    "modnet fit": ("with_modnet", "Fit"),
    "modnet loop": ("with_modnet", "Loop"),
    "PyTorch": ("with_torch", "Eager"),
    "JAX": ("with_jax", "Scan"),
    "scikit-learn": ("with_sklearn", "MLP"),
    "NumPy": ("with_numpy", "Textbook"),
    "torch.compile": ("with_torch", "Compiled"),
}
# It compiles for 7 to 20 s a network; a step then takes 0.7 to 1.5 of eager PyTorch's time, and nowhere the least of all.
ON_REQUEST = ("torch.compile",)


def find(name: str) -> Any:
    """The class of a contestant; its library is imported now."""
    file, kind = CONTESTANTS[name]
    return getattr(importlib.import_module(f"contestants.{file}"), kind)
