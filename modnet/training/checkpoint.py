"""Checkpoints: a training kept in a file, so that another process can go on where it was, to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from modnet.engine.held import is_of_library, numbers_of, restore_numbers
from modnet.engine.snapshot import Kept
from modnet.engine.storage import leaves
from modnet.inputs import lasting_repr, short_repr, whole
from modnet.persistence import archive
from modnet.training.data import Source, element_type
from modnet.training.history import History

_KEYS = {
    "options", "network", "optimizer", "history", "epoch", "step", "order", "seed", "augment_seed", "held_out", "draw", "moved",
    "best",
}  # fmt: skip


class Checkpoint:
    """A file that a training is written to after some of its epochs.

    Parameters
    ----------
    path : of the file. every : epochs from one writing to the next. resume : whether to go on from what is there.

    Attributes
    ----------
    found : what the file held, if the training goes on from it; else None.
    built, marks : of what the training is built, and numbers of its examples, which must be the same for that.
    writes : whether this process writes the file.
    """

    def __init__(self, path: Any, every: Any, resume: Any) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"fit: checkpoint is {short_repr(path)}, expected the path of a file")
        if not isinstance(resume, bool | np.bool_):
            raise TypeError(f"fit: resume is {short_repr(resume)}, expected True or False")
        self.path, self.every = os.fspath(path), whole(every, "fit", "every")
        self.built: dict[str, list[str]] = {}
        self.marks: list[list[float]] = []
        self.writes = True
        self._before: tuple[Any, Any] | None = None  # the network and the optimizer as they came
        self.found: dict[str, Any] | None = None
        folder = os.path.dirname(os.path.realpath(self.path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"fit: checkpoint is {self.path!r}, but there is no folder {folder}")
        if resume and os.path.exists(self.path):
            found = archive.read(self.path, "checkpoint")
            if not isinstance(found, dict) or set(found) != _KEYS:
                raise archive.FileError(f"{self.path}: lacks parts of a checkpoint")
            self.found = found

    @property
    def who(self) -> str:
        return f"fit: checkpoint {self.path}"

    def held_out(self, n: int, share: int) -> np.ndarray | None:
        """The rows that were kept for validation, if the training goes on from the file; of n examples, `share` of them."""
        if self.found is None:
            return None
        rows = self.found["held_out"]
        if not isinstance(rows, np.ndarray) or rows.dtype != np.int64 or rows.shape != (share,) or not _are_places(rows, n):
            raise ValueError(f"{self.who}: was made with another share for validation or other data, expected the same")
        found: np.ndarray = rows
        return found

    def restore(self, net: Any, loss: Any, optimizer: Any, options: dict[str, Any], sources: list[Source | None]) -> None:
        """Put the network and the optimizer where they were. A ValueError, with nothing changed, if they do not fit.

        options : by name, what must be the same. sources : the examples trained on and those of validation, which must be, too.
        """
        self.marks, found = [[] if source is None else source.mark() for source in sources], self.found
        texts = {name: repr(value) for name, value in options.items()} | _built(net, loss, optimizer)
        self.built = {name: [text] for name, text in texts.items()}
        if found is None:
            return
        with self._undoing(net, optimizer):
            self._require_alike(found["options"]["built"], found["options"]["marks"])
            restore_numbers(net, found["network"], self.who)
            optimizer.load_state_dict(found["optimizer"])

    def _require_alike(self, accepted: dict[str, list[str]], marks: list[list[float]]) -> None:
        """A ValueError unless the training in the file was built as this one, and of the same examples."""
        for name, (text,) in self.built.items():
            if text not in accepted.get(name, [text]):
                was = accepted[name][0]
                raise ValueError(f"{self.who}: was made with {name} {was}, and now it is {text}; expected the same")
        pairs = zip(marks, self.marks, strict=True)
        if not all(len(a) == len(b) and np.allclose(a, b, rtol=1e-8, atol=0) for a, b in pairs):
            raise ValueError(
                f"{self.who}: was made with other examples, or with these in another order; expected the same. A random split, "
                "such as train_test_split, needs a seed, or what was tested on would be trained on"
            )
        self.built = {name: list(accepted.get(name, own)) for name, own in self.built.items()}

    def resume(self, loop: Any) -> None:
        """Put a training, whose network and optimizer are restored, where it was."""
        if self.found is not None:
            with self._undoing(loop.training.net, loop.training.optimizer):
                self._resume(loop, self.found)

    def _resume(self, loop: Any, found: dict[str, Any]) -> None:
        order, seed = found["order"], found["seed"]
        if order.dtype != np.int64 or order.shape != loop.order.shape or not _are_places(order, len(order)):
            raise ValueError(f"{self.who}: was made with other data, expected {len(loop.order)} examples")
        loop.order[:] = order
        if (seed is None) != (loop.seed is None):
            raise ValueError(f"{self.who}: was made with another shuffle, expected the same")
        if seed is not None:
            loop.seed[:] = seed
        loop.training.history = History.from_dict(found["history"])
        loop.start = whole(found["epoch"], self.who, "epoch", 0)
        loop.training.step = whole(found["step"], self.who, "step", 0)
        loop.runner.draw = whole(found["draw"], self.who, "draw", 0)
        loop.moved = bool(found["moved"])
        best = found["best"]
        if best is not None:
            loop.best, loop.best_at = float(best["loss"]), whole(best["epoch"], self.who, "best epoch")
            restore_numbers(loop.training.net, best["network"], self.who)
            loop.best_numbers, loop.kept = best["network"], Kept(loop.training.net)
            restore_numbers(loop.training.net, found["network"], self.who)

    @contextmanager
    def _undoing(self, net: Any, optimizer: Any) -> Iterator[None]:
        """Context: an error leaves the network and the optimizer as they came, and one about the file's form says so."""
        if self._before is None:
            self._before = numbers_of(net), optimizer.state_dict()
        try:
            yield
        except BaseException as error:
            numbers, state = self._before
            restore_numbers(net, numbers, self.who)
            optimizer.load_state_dict(state)
            if isinstance(error, KeyError | IndexError | AttributeError | TypeError | OverflowError):
                raise archive.FileError(f"{self.path}: is no checkpoint ({type(error).__name__}: {error})") from error
            if isinstance(error, ValueError) and self.path not in str(error):
                raise archive.FileError(f"{self.who}: {error}") from error
            raise

    def epoch_done(self, loop: Any) -> None:
        """Write the training as it is after an epoch, if it is time."""
        training = loop.training
        if not self.writes:
            return
        if training.epoch % self.every and training.epoch < training.epochs and not training.stop_reason:
            return
        now = _built(training.net, training.loss, training.optimizer)  # a callback may have set a rate or another setting
        built = {name: list(dict.fromkeys([*texts, now.get(name, texts[0])])) for name, texts in self.built.items()}
        best = None
        if loop.kept is not None:
            best = {"loss": loop.best, "epoch": loop.best_at, "network": loop.best_numbers}
        archive.write(self.path, "checkpoint", {
            "options": {"built": built, "marks": self.marks},
            "network": numbers_of(training.net), "optimizer": training.optimizer.state_dict(),
            "history": training.history.to_dict(), "epoch": training.epoch, "step": training.step, "order": loop.order,
            "seed": loop.seed, "augment_seed": loop.augment_seed, "held_out": loop.held_out_rows, "draw": loop.runner.draw,
            "moved": loop.moved, "best": best,
        })  # fmt: skip


def _built(net: Any, loss: Any, optimizer: Any) -> dict[str, str]:
    """Of what a training is built, by name. Of somebody else's classes it is their names, since their text may change."""
    things = {**{f"module {i}": module for i, module in enumerate(leaves(net))}, "loss": loss, "optimizer": optimizer}
    texts = {
        name: lasting_repr(thing) if is_of_library(type(thing)) else type(thing).__qualname__
        for name, thing in things.items()
    }
    return {**texts, "element type": str(element_type(net))}


def _are_places(rows: np.ndarray, n: int) -> bool:
    """Whether rows are different places of n."""
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        return False
    return len(np.unique(rows)) == len(rows)
