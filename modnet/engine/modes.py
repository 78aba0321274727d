"""Training and evaluation, for a network as a whole: set, and put back as it was."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from modnet.engine.foreign import MODE, Foreign
from modnet.engine.storage import DRAW_BITS, has_storage, last_draw_of, parts


def set_training(net: Any, training: bool) -> None:
    """Put a network into training or evaluation, except what was put into evaluation by itself."""
    with in_evaluation.changing():
        pinned = [m for m, had in modes_of(net) if m is not net and had.get("_put_into_evaluation", False)]
        Foreign(net).set_mode(training)
        for module in pinned:
            module.eval()
        for module in parts(net) if in_evaluation.held else ():
            if id(module) in in_evaluation.held:  # a `predict` that ends later gives back these modes
                in_evaluation.held[id(module)][1] = _mode_of(module)


def modes_of(net: Any) -> list[tuple[Any, dict[str, Any]]]:
    """The modes of a network's modules, to be given to `restore_modes`; not those that they have for a `predict` meanwhile."""
    with in_evaluation.lock:
        moded = [m for m in parts(net) if has_storage(m) or hasattr(m, "training")]
        return [(m, in_evaluation.held[id(m)][1] if id(m) in in_evaluation.held else _mode_of(m)) for m in moded]


def _mode_of(module: Any) -> dict[str, Any]:
    if not has_storage(module):
        return {n: getattr(module, n) for n in MODE if hasattr(module, n)}
    own = {"_training": module.__dict__["_training"]} if "_training" in module.__dict__ else {}
    return {"training": module.training, **own, "_put_into_evaluation": module._put_into_evaluation}


def are_training(net: Any, modules: Sequence[Any]) -> bool:
    """Whether `set_training(net, True)` would do nothing, for the `parts` of a network; False if that is not known."""
    return all(has_storage(m) and m.training is not (m is not net and m._put_into_evaluation) for m in modules)


def restore_modes(modes: list[tuple[Any, dict[str, Any]]]) -> None:
    """Give modules the modes they had; one that is in evaluation for a `predict` gets it when that ends."""
    with in_evaluation.changing():
        for module, had in reversed(modes):
            if id(module) in in_evaluation.held:
                in_evaluation.held[id(module)][1] = had
                continue
            ours = hasattr(module, "containers") or has_storage(module)
            if not ours:
                if module.training == had["training"]:
                    continue
                Foreign(module).set_mode(had["training"])
            left = "training" if ours and "_training" in had else "_training"  # a container's would reach all that is in it
            for name in had.keys() - {left}:
                setattr(module, name, had[name])


class _Evaluations:
    """Classes of somebody else's that are in evaluation for a `predict`, and the modes they get back when the last one ends.

    Several threads may predict with the same one: whoever came second would find evaluation, and put that back at its end.
    If another one trains it meanwhile, the mode to give back is the one that the training says.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.lock = threading.RLock()  # a class may predict where its mode is set
        self.held: dict[int, list[Any]] = {}  # by id: a module, the modes it had, and for how many it is in evaluation
        self.changes, self.depth = 0, 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Context: modes are being changed, by this thread alone. Another one may be in the middle of a walk through them."""
        with self.lock:
            self.changes, self.depth = self.changes + 1, self.depth + 1
            try:
                yield
            finally:
                self.depth -= 1

    def stayed(self, changes: int) -> bool:
        """Whether no mode was changed since there were so many `changes`, and none is being changed now."""
        return self.depth == 0 and self.changes == changes

    @contextmanager
    def of(self, nets: Sequence[Any]) -> Iterator[None]:
        """For a forward of these in evaluation."""
        with self.lock:
            modes = [entry for net in nets for entry in modes_of(net)]
            for module, had in modes:
                self.held.setdefault(id(module), [module, had, 0])[-1] += 1
        try:
            with self.changing():
                for net in nets:
                    if any(had["training"] for _, had in modes_of(net)):
                        Foreign(net).set_mode(False)
            yield
        finally:
            with self.lock:
                done = []
                for module, _ in modes:
                    held = self.held[id(module)]
                    held[-1] -= 1
                    if not held[-1]:
                        done.append((module, held[1]))
                        del self.held[id(module)]
                restore_modes(done)


in_evaluation = _Evaluations()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=in_evaluation.begin)


def restore_kept_modes(net: Any, kept: Sequence[Mapping[str, Any]], who: str) -> None:
    """Give the modules of a network the modes that `modes_of` told of one built alike: of each those that it has."""
    modes = modes_of(net)
    if len(kept) != len(modes):
        raise ValueError(f"{who}: holds the modes of {len(kept)} modules, expected {len(modes)}")
    new = [{name: bool(of_it.get(name, value)) for name, value in had.items()} for (_, had), of_it in zip(modes, kept)]
    restore_modes([(module, modes_now) for (module, _), modes_now in zip(modes, new)])


class _Inside(threading.local):
    """What this thread is in the middle of, if it is a pass through a network that has called a class of somebody else's.

    What that class holds of the network belongs to the pass: it draws what the pass draws, and a module that the pass has used
    before draws something of its own each time. What it holds besides, in networks of its own, draws for itself.

    Attributes
    ----------
    storage : of the network; None where no such class was called.
    draw : of the pass, as kernels take it: 0 in evaluation, negative where it repeats. None: each module repeats its own last.
    uses : how often the pass has used a module before this call, by id; of those that draw. The call's own are not counted.
    repeats : whether the pass repeats one: other networks then draw what they drew last, and move no statistics.
    calls : how often the class has called forward of a module, by id; of those that draw.
    """

    storage: Any = None
    draw: int | None = 0
    uses: Mapping[int, int] = {}
    repeats = False
    calls: Counter[int] = Counter()

    @contextmanager
    def call(self, storage: Any, draw: int | None, uses: Mapping[int, int], repeats: bool) -> Iterator[Counter[int]]:
        """For the call of a stranger's class; gives the `calls` of it."""
        before = self.storage, self.draw, self.uses, self.repeats, self.calls
        if draw != 0 and self.draws_for(storage):  # a class within a class
            draw, uses = self.draw, {key: self.uses.get(key, 0) + count for key, count in uses.items()}
        self.storage, self.draw, self.uses, self.repeats, self.calls = storage, draw, uses, self.repeats or repeats, Counter()
        try:
            yield self.calls
        finally:
            self.storage, self.draw, self.uses, self.repeats, self.calls = before

    def draws_for(self, storage: Any) -> bool:
        """Whether the pass says what the modules draw that lie in this storage."""
        return self.draw != 0 and self.storage is storage

    def number(self, module: Any) -> int:
        """The number by which a module of the network draws: of the pass, or of its own last, with its uses before."""
        last = last_draw_of(module)[0] if self.draw is None else abs(self.draw)
        return max(1, last) + (self.uses.get(id(module), 0) << DRAW_BITS)


inside = _Inside()
