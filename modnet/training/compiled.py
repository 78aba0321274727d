"""Epochs as compiled walks over the network's table."""

from __future__ import annotations

import time
from typing import Any, cast

import numpy as np

from modnet.engine import run
from modnet.engine.program import is_ours, is_wired
from modnet.engine.walk import EPOCH, PLACES, fill, walk_epoch, walk_losses
from modnet.kernels.memory import aligned, aligned_copy
from modnet.kernels.operation import Operation
from modnet.kernels.threads import threads_for
from modnet.training.data import Data
from modnet.training.parts import Parts, count_parts
from modnet.training.progress import Bar
from modnet.training.runner import Runner
from modnet.training.training import Training

_SLICE = 0.05  # seconds that a compiled walk may take before it comes back to Python, which then sees Ctrl-C


class CompiledRunner(Runner):
    """An epoch is one compiled walk, in slices of about 50 ms."""

    def __init__(self, training: Training, data: Data, held_out: Data | None, size: int) -> None:
        super().__init__(training, data, held_out, size)
        net, loss, optimizer = training.net, training.loss, training.optimizer
        self.program = run.program_of(net, data.X.shape[1:], data.X.dtype)
        self.storage, dtype = self.program.storage, self.program.dtype
        self.workspace = run.take(self.program, size)
        self.workspace.batch = 0
        operations = type(loss).operations
        self.counts_hits = operations[2] is not None
        self.losses = aligned(size, dtype)
        self.previous, self.previous_state = aligned_copy(self.program.parameters), self.program.state.copy()
        self.slice = _Slice()
        self.draw = int(self.storage.draws[0])  # a forward beside it, between epochs or in another thread, changes no draw
        self.seconds_a_batch = 0.0
        columns = data.targets.shape[1]
        addresses = [0 if op is None else op.address(type(loss), dtype) for op in operations]
        common = {
            "walk": self.workspace.address, "target_columns": columns, "batch_size": size,
            "losses": self.losses.ctypes.data, "loss": addresses[0], "loss_backward": addresses[1], "hits": addresses[2],
            "loss_s": loss.setting_words().ctypes.data, "previous": self.previous.ctypes.data,
            "step": cast(Operation, type(optimizer).step).address(type(optimizer), dtype),
        }  # fmt: skip
        self.batch_y = aligned(size * columns, dtype)
        self.rates, self.order = np.empty(self.batches), np.empty(0)
        self.record = _epoch_record(
            data, self.totals, **common, y=self.batch_y.ctypes.data, rates=self.rates.ctypes.data
        )
        self.words, self.clip = self.record.view(np.int64), self.record["clip"]
        self.address = self.record.ctypes.data
        walk_epoch.compile(dtype)
        self.parts = Parts(self.program, self.record, size, count_parts(self.program, size, data.n))
        if held_out is not None:
            self.validation_totals = np.zeros(2)
            self.validation = _epoch_record(held_out, self.validation_totals, **common)
            walk_losses.compile(dtype)

    def epoch(self, order: np.ndarray, bar: Bar) -> bool:
        training, words, storage = self.training, self.words, self.storage
        self.require_unchanged()
        group = training.optimizer.flat_group()
        if self.previous_state.size:
            self.previous_state[:] = self.program.state
        self.rates[:] = training.optimizer.rates(self.batches)
        draws = bool(self.program.mode_rows) and self.workspace.set_modes()
        fill(
            words, pieces=group.addresses[0], piece_count=len(group.pieces), moments=group.addresses[1],
            moment_count=group.moments.size, draw=self.draw + 1 if draws else 0,
        )  # fmt: skip
        self.clip[0] = training.optimizer.setting_words()[2]
        if self.order is not order:
            self.order = order
            fill(words, order=order.ctypes.data)
        self.totals[:] = 0
        at = 0
        while at < self.batches:
            started = time.perf_counter()
            end = min(self.batches, at + self._batches_a_slice())
            self.slice.note(self.program.parameters, self.program.state, group.moments, group.settings, self.totals)
            done = self._walk(at, end)
            now = time.perf_counter()
            if done:
                self.seconds_a_batch = (now - started) / done
            training.step += done
            if not len(group.pieces):
                group.settings.view(np.int64)[0, type(training.optimizer).layout.words["steps"]] += done
            if draws:
                storage.draws[self.program.draw_places] = self.draw + at + done
                storage.draws[0] = max(int(storage.draws[0]), self.draw + at + done)
            if done < end - at:
                self._lost(at + done)
                return False
            at = end
            bar.moved(at, now)
        self.draw += self.batches if draws else 0
        if not self._is_finite():
            self._lost(self.batches - 1)
            return False
        return True

    def _walk(self, first: int, last: int) -> int:
        """Train on some batches; return how many were done."""
        fill(self.words, first=first, last=last)
        done: int = self.parts.walk(lambda: walk_epoch.call(self.address, self.previous))
        return done

    def _is_finite(self) -> bool:
        state = self.program.state
        return bool(np.isfinite(self.program.parameters).all() and (not state.size or np.isfinite(state).all()))

    def _lost(self, batch: int) -> None:
        """The loss is not finite, or after the last batch the parameters or the statistics are not."""
        count = min(self.size, self.data.n - batch * self.size)
        with np.errstate(all="ignore"):
            value = float(np.sum(self.losses[:count], dtype=np.float64))
            norm = float(np.linalg.norm(self.program.gradient))
        self.take_back()
        if self.training.optimizer.clip_norm is not None and np.isfinite(value) and not np.isfinite(norm):
            self.diverge(batch, norm, "gradient's norm")
        else:
            self.diverge(batch, value if not np.isfinite(value) else np.nan)

    def take_back(self) -> None:
        if self._is_finite():
            return
        # Go back to the start of the slice and do it again, now with a copy of the parameters before each step. What is not
        # finite comes again, bit for bit; the copies, while all is well, would take up to a twentieth of the time.
        self.slice.restore()
        fill(self.words, keeps=1)
        self._walk(int(self.words[PLACES["first"]]), int(self.words[PLACES["last"]]))
        fill(self.words, keeps=0)
        for array, previous in ((self.program.parameters, self.previous), (self.program.state, self.previous_state)):
            if not np.isfinite(array).all():
                array[:] = previous

    def close(self) -> None:
        self.parts.close()
        run.give(self.workspace)

    def validate(self) -> np.ndarray:
        assert self.held_out is not None
        words, batches = self.validation.view(np.int64), -(-self.held_out.n // self.size)
        self.validation_totals[:] = 0
        for at in range(0, batches, self._batches_a_slice()):
            fill(words, first=at, last=min(batches, at + self._batches_a_slice()))
            with threads_for(self.program.operations * self.size):
                walk_losses.call(self.validation.ctypes.data, self.previous)
        return self.validation_totals

    def _batches_a_slice(self) -> int:
        """How many batches a walk may take before it comes back to Python; one before the first is timed."""
        return max(1, int(_SLICE / self.seconds_a_batch)) if self.seconds_a_batch else 1


class _Slice:
    """What a slice of an epoch began with: copies of the arrays that it writes to."""

    def __init__(self) -> None:
        self.arrays: tuple[np.ndarray, ...] = ()
        self.copies: list[np.ndarray] = []

    def note(self, *arrays: np.ndarray) -> None:
        if len(arrays) != len(self.arrays) or any(a is not b for a, b in zip(arrays, self.arrays)):
            self.arrays, self.copies = arrays, [array.copy() for array in arrays]
        else:
            for array, copy in zip(arrays, self.copies):
                if array.size:
                    copy[...] = array

    def restore(self) -> None:
        for array, copy in zip(self.arrays, self.copies):
            array[...] = copy


def _epoch_record(data: Data, totals: np.ndarray, **fields: int) -> np.ndarray:
    """What a walk needs to know of some data. The data keeps the arrays alive."""
    record = np.zeros(1, EPOCH)
    data.matrix = data.X.reshape(data.n, -1)
    fill(
        record.view(np.int64), data=data.matrix.ctypes.data, examples=data.n, targets=data.targets.ctypes.data,
        weights=data.weights.ctypes.data, weight_count=data.weights.size, loss_z=data.z.address, totals=totals.ctypes.data,
        **fields,
    )  # fmt: skip
    return record


def can_compile(net: Any, loss: Any, optimizer: Any) -> bool:
    """Whether every module, the loss and the optimizer have kernels, and one flat vector is all there is to move."""
    if not (is_wired(net) or is_ours(net)):
        return False
    if getattr(net, "_strangers", []) or not net.storage.parameters.size:
        return False
    leaves = list(net.leaves())
    return (
        net.parameters.size == net.storage.parameters.size
        and all(type(leaf).is_compiled for leaf in leaves)
        and all(type(c).is_wired for c in getattr(net, "containers", list)())
        and bool(getattr(type(loss), "is_compiled", False))
        and type(optimizer).is_compiled
        and optimizer.flat_group() is not None
    )
