"""Training and evaluation, for a network as a whole: set, and put back as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from modnet.engine.storage import has_storage


def set_training(net: Any, training: bool) -> None:
    """Put a network into training or evaluation, except what was put into evaluation by itself."""
    pinned = [m for m in modules_of(net) if m is not net and getattr(m, "_put_into_evaluation", False)]
    method = getattr(net, "train" if training else "eval", None)
    if method is not None:
        method()
    elif hasattr(net, "training"):
        net.training = training
    for module in pinned:
        module.eval()


def modules_of(net: Any) -> list[Any]:
    """The network, its containers and its leaves."""
    if not hasattr(net, "containers"):
        return [net]
    return [net, *net.containers(), *{id(m): m for m in net.leaves()}.values()]


def modes_of(net: Any) -> list[tuple[Any, dict[str, Any]]]:
    """The modes of a network's modules, to be given to `restore_modes`."""
    names = ("training", "_training", "_put_into_evaluation")
    return [(m, {n: getattr(m, n) for n in names if hasattr(m, n)}) for m in modules_of(net) if hasattr(m, "training")]


def restore_modes(modes: list[tuple[Any, dict[str, Any]]]) -> None:
    """Give modules the modes they had."""
    for module, had in reversed(modes):
        if hasattr(module, "containers") or has_storage(module):
            if "_training" in had:
                module.__dict__["_training"] = had["_training"]
            else:
                module.training = had["training"]
            module._put_into_evaluation = had["_put_into_evaluation"]
        elif module.training != had["training"]:
            method = getattr(module, "train" if had["training"] else "eval", None)
            if callable(method):
                method()
            module.training = had["training"]
            if "_put_into_evaluation" in had:
                module._put_into_evaluation = had["_put_into_evaluation"]


def restore_kept_modes(net: Any, kept: Sequence[Mapping[str, Any]], who: str) -> None:
    """Give the modules of a network the modes that `modes_of` told of one built alike: of each those that it has."""
    modes = modes_of(net)
    if len(kept) != len(modes):
        raise ValueError(f"{who}: holds the modes of {len(kept)} modules, expected {len(modes)}")
    new = [{name: bool(of_it.get(name, value)) for name, value in had.items()} for (_, had), of_it in zip(modes, kept)]
    restore_modes([(module, modes_now) for (module, _), modes_now in zip(modes, new)])


class _Repeating(threading.local):
    """Whether this thread repeats a forward: modules then draw what they drew last, and move no statistics."""

    on = False

    @contextmanager
    def now(self, repeats: bool) -> Iterator[None]:
        """For a while: whether the forwards of a stranger's class, and of what it holds, are repeated ones."""
        before, self.on = self.on, self.on or repeats
        try:
            yield
        finally:
            self.on = before


repeating = _Repeating()
