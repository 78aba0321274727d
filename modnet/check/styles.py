"""The style a module is written in, as a `Subject`: the contract's, or forward(x) and backward(dout) that remembers x."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.check.subject import DELTA, GRADIENT, Subject


class Remembering(Subject):
    """forward(x) keeps the input, backward(dout) returns dL/dinput and sets gradients, as most books write it."""

    def __init__(self, module: Any, x: np.ndarray) -> None:
        super().__init__(module, x)
        self.names[DELTA] = self.names[GRADIENT] = "backward"
        self.remembers = self.replaces = True

    def takes_input(self, operation: str) -> bool:
        """No: it remembers it."""
        return False


def subject_of(module: Any, x: np.ndarray) -> Subject:
    """A module behind the three questions."""
    own = any(callable(getattr(module, name, None)) for name in (DELTA, GRADIENT))
    if not own and callable(getattr(module, "backward", None)):
        return Remembering(module, x)
    return Subject(module, x)


__all__ = ["Remembering", "subject_of"]
