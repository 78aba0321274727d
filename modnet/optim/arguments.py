"""The arguments of an optimizer's constructor, declared in its class, and what it counts.

Each is a `Setting`: a kernel reads it by name, ``s.lr``, and it is checked when it is set.
"""

from __future__ import annotations

import inspect
from typing import Any

from modnet.inputs import real
from modnet.kernels.declare import Setting
from modnet.optim.schedules import Schedule

REQUIRED = inspect.Parameter.empty  # no default


class Argument(Setting):
    """A setting that is an argument of the constructor, and read-only afterwards. Without a default it has to be given."""

    def __init__(self, expected: str, valid: Any, default: Any, kind: Any = float, fixed: bool = True) -> None:
        super().__init__(expected, valid, 0.0 if default in (None, REQUIRED) else default, kind, fixed)
        self.given = default


def share(*, default: float) -> Any:
    """An argument from 0 up to 1, without 1."""
    return Argument("from 0 up to 1", lambda v: 0 <= v < 1, default)


def positive(*, default: float) -> Any:
    """A positive argument."""
    return Argument("a positive number", lambda v: v > 0, default)


def not_negative(*, default: float) -> Any:
    """An argument of 0 or more."""
    return Argument("a number that is not negative", lambda v: v >= 0, default)


def switch(*, default: bool) -> Any:
    """An argument that is True or False."""
    return Argument("True or False", None, default, kind=bool)


class Rate(Argument):
    """The learning rate of the next step. It may be set between steps; a schedule then ends."""

    annotation = "float | Schedule"

    def __init__(self, *, default: Any = REQUIRED) -> None:
        super().__init__("a positive number or a schedule", lambda v: v > 0, default, fixed=False)

    def checked(self, optimizer: Any, value: Any) -> Any:
        """A positive number of any size, as a schedule may give, too: one that is too large is told by `fit`."""
        return real(value, type(optimizer).__name__, self.name, self.expected, self.valid)

    def read(self, optimizer: Any) -> Any:
        return super().read(optimizer) if optimizer.schedule is None else float(optimizer.rates(1)[0])

    def __set__(self, optimizer: Any, value: float | Schedule) -> None:
        self.write(optimizer, value)
        optimizer._schedule = None


class Count(Setting):
    """A whole number that `step` counts up, kept beside the moments: 0 after `attach` and `forget`, and in `state_dict`."""

    def __init__(self) -> None:
        super().__init__(kind=int, fixed=True)

    def __set__(self, optimizer: Any, value: Any) -> None:
        raise AttributeError(f"{optimizer}: {self.name} is counted by its steps and cannot be set; attach counts from 0 again")

    def read(self, optimizer: Any) -> int:
        return max((int(g.counts(self.name).max()) for g in optimizer._groups), default=0)


class ClipNorm(Argument):
    """The largest norm of the whole gradient; a longer one is scaled down to it. None for no bound."""

    annotation = "float | None"

    def __init__(self, *, default: None, kw_only: bool) -> None:
        super().__init__("a positive number, or None", lambda v: v > 0, default, fixed=False)

    def read(self, optimizer: Any) -> Any:
        return super().read(optimizer) or None

    def checked(self, optimizer: Any, value: Any) -> Any:
        return 0.0 if value is None else super().checked(optimizer, value)
