"""Every module, loss and optimizer of the library, found by looking through its files.

Nothing registers itself: a class that is written in a file of `modnet.modules`, `modnet.losses` or `modnet.optim` is found,
and whoever calls these functions, such as the test suite, then covers it. Each has an ``examples()`` to begin with.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from modnet import losses, modules, optim
from modnet.loss import Loss
from modnet.module import Module
from modnet.optim import Optimizer

Base = TypeVar("Base")


def all_modules() -> list[type[Module]]:
    """The classes of modules, in the order of their names: those that are all kernels, and containers."""
    return [kind for kind in _subclasses(modules, Module) if kind.is_compiled or getattr(kind, "is_wired", False)]


def all_losses() -> list[type[Loss]]:
    """The classes of losses, in the order of their names."""
    return [kind for kind in _subclasses(losses, Loss) if kind.is_compiled]


def all_optimizers() -> list[type[Optimizer]]:
    """The classes of optimizers, in the order of their names: those with a step of their own."""
    return [kind for kind in _subclasses(optim, Optimizer) if kind.step is not Optimizer.step]


def _subclasses(package: ModuleType, base: type[Base]) -> list[type[Base]]:
    """The public subclasses of base that are written in a file of the package."""
    found = []
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        file = import_module(info.name)
        for name, value in vars(file).items():
            # A file also holds the names it imports.
            written_here = isinstance(value, type) and value.__module__ == file.__name__ and value.__name__ == name
            if written_here and issubclass(value, base) and value is not base and not name.startswith("_"):
                found.append(value)
    return sorted(found, key=lambda kind: kind.__name__)
