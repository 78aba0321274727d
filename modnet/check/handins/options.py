"""What the command line asked for, in one record that goes from there to every process as it is."""

from __future__ import annotations

import dataclasses
import os
from typing import Any


@dataclasses.dataclass(frozen=True)
class Options:
    """How hand-ins are checked.

    Attributes
    ----------
    only, losses : names of classes, and of losses, to check; all of them if both are empty.
    make : how to build a module, such as "Conv1D(3, 2, 4, 2)"; empty to find out. shape : of the input for it.
    timeout : processor seconds for each class, and for loading each file.
    memory : gigabytes that a class may take. jobs : classes and hand-ins checked at the same time.
    """

    only: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    make: str = ""
    shape: tuple[int, ...] | None = None
    timeout: float = 30.0
    memory: float = 2.0
    jobs: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)

    def wants(self, kind: str, name: str) -> bool:
        """Whether a class is among those to check."""
        if not self.only and not self.losses:
            return True
        return name in self.only or (kind == "loss" and name in self.losses)

    def makes(self, name: str) -> bool:
        """Whether `make` builds this class."""
        return bool(self.make) and self.make.split("(")[0].strip() == name

    @property
    def patience(self) -> float:
        """Seconds by the clock after which a class is given up: it may wait for others, or for something that never comes."""
        return 5 * self.timeout + 30

    def as_dict(self) -> dict[str, Any]:
        """The record as plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Options:
        """The record again, from what `as_dict` gave."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**plain)
