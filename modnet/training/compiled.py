"""Epochs as compiled walks over the network's table."""

from __future__ import annotations

import time
from functools import cache
from typing import Any, cast

import numpy as np

from modnet.engine import run
from modnet.engine.program import is_ours, is_wired
from modnet.engine.storage import parts
from modnet.engine.walk import EPOCH, PLACES, fill, walk_epoch
from modnet.kernels.memory import aligned
from modnet.kernels.operation import Operation
from modnet.training.data import Data, Source
from modnet.training.parts import Parts
from modnet.training.progress import Bar
from modnet.training.runner import Runner, share
from modnet.training.training import Training

_MOST_EPOCHS = 10_000  # in one call
_SLICE = 0.05  # seconds that a compiled walk may take before it comes back to Python, which then sees Ctrl-C


class CompiledRunner(Runner):
    """An epoch is a compiled walk over each block of its examples, in slices of about 50 ms."""

    def __init__(self, training: Training, data: Source, held_out: Source | None, size: int) -> None:
        super().__init__(training, data, held_out, size)
        net, loss, optimizer = training.net, training.loss, training.optimizer
        self.program = run.program_of(net, data.shape, data.dtype)
        self.program.prepare_backward()
        self.storage, dtype = self.program.storage, self.program.dtype
        self.workspace = run.take(self.program, size)
        operations = type(loss).operations
        self.previous, self.previous_state = aligned(self.program.parameters.size, dtype), self.program.state.copy()
        self.slice: _Slice = self.program.spare.pop("slice", None) or _Slice()
        self.draw = int(self.storage.draws[0])  # a forward beside it, between epochs or in another thread, changes no draw
        self.seconds_a_batch = 0.0
        at_once = type(loss).in_one_pass
        forward, backward, hits = operations
        needed = (forward, backward, hits, None) if at_once is None else (None, None, None, at_once)
        addresses = [0 if op is None else op.address(type(loss), dtype) for op in needed]
        self.common = {
            "loss": addresses[0], "loss_backward": addresses[1], "hits": addresses[2] or self.counts_hits,
            "at_once": addresses[3], "loss_s": loss.setting_words().ctypes.data, "previous": self.previous.ctypes.data,
            "previous_state": self.previous_state.ctypes.data, "epochs": 1,
            "step": cast(Operation, type(optimizer).step).address(type(optimizer), dtype),
        }  # fmt: skip
        self.now = 0.0
        self.block = _Block(self)
        _prepare(walk_epoch, dtype)

    def epoch(self, order: np.ndarray, bar: Bar, seed: np.ndarray | None = None, most: int = 1) -> bool:
        training = self.training
        self.require_unchanged()
        group = training.optimizer.flat_group()
        if self.previous_state.size:
            self.previous_state[:] = self.program.state
        draws = bool(self.program.mode_rows) and self.workspace.set_modes()
        self.totals[:] = 0
        self.seen = self.counted = 0.0
        block, before = self.block, 0
        for data, rows, size in self.data.chunks(order, self.size, training.epoch):
            batches = -(-len(rows) // size)
            block.load(data, rows, size)
            block.set_rates(training.optimizer.rates(batches))
            fill(
                block.words, pieces=group.addresses[0], piece_count=len(group.pieces), moments=group.addresses[1],
                moment_count=group.moments.size,
            )  # fmt: skip
            block.clip[0] = training.optimizer.setting_words()[2]
            epochs = min(most, self._epochs_a_slice(batches))
            block.begin(epochs, seed, fresh=before == 0)
            at = 0
            while at < batches:
                end = batches if epochs > 1 else min(batches, at + self._batches_a_slice())
                done = self._slice(group, at, end, epochs, draws)
                earlier, rest = divmod(done, end - at)
                if rest == 0 and earlier and (earlier == epochs or not self._is_finite(block.sums[2 * earlier - 2])):
                    earlier, rest = earlier - 1, end - at
                self._note(earlier)
                self.draw += (end - at) * earlier if draws else 0
                if rest < end - at:
                    self._lost(before + at + rest, min(size, len(rows) - (at + rest) * size) * data.positions)
                    return False
                at = end
                bar.moved(before + at, self.now)
            self.totals[:] = block.sums[2 * earlier : 2 * earlier + 2]
            self.seen += len(rows)
            self.counted += data.count_of(rows)
            self.draw += batches if draws else 0
            before += batches
            if not self._is_finite():
                self._lost(before - 1, 0)
                return False
        return True

    def _slice(self, group: Any, first: int, last: int, epochs: int, draws: bool) -> int:
        """Train on some batches of the block, or on all in several epochs; return how many were done."""
        training, program, block = self.training, self.program, self.block
        moving = (program.parameters, program.state, group.moments, group.settings, block.sums)
        if first == 0 or self._is_finite():  # else the last slice made them infinite, and has to be done again, too
            self.slice.note(*moving, *block.order_and_seed)
            self.slice.first = first
        fill(block.words, draw=self.draw + 1 if draws else 0)
        started = time.perf_counter()
        try:
            done = self._walk(first, last)
        except KeyboardInterrupt:  # once the walk has ended, since nothing can interrupt it
            self._note(min(int(block.sums[2 * epochs]), epochs - 1))
            raise
        self.now = time.perf_counter()
        if done:
            self.seconds_a_batch = (self.now - started) / done
        training.step += done
        if not len(group.pieces):
            group.count_step(done)
        if draws:
            self.program.note_draw(self.draw + first + done)
        return done

    def _note(self, epochs: int) -> None:
        """Note that so many whole epochs were walked before the one that was walked last."""
        if not epochs:
            return
        training, data = self.training, cast(Data, self.data)
        sums = self.block.sums[: 2 * epochs].reshape(-1, 2)
        figures = {"loss": (sums[:, 0] / data.n).tolist()}
        if self.counts_hits:
            counted = data.count_of(np.arange(data.n))
            figures["accuracy"] = [share(hits, counted) for hits in sums[:, 1].tolist()]
        training.history.note(figures, training.optimizer.lr)
        training.optimizer.epochs += epochs
        training.epoch += epochs

    def _walk(self, first: int, last: int) -> int:
        block = self.block
        fill(block.words, first=first, last=last, held=block.held)
        done: int = block.parts.walk(lambda: walk_epoch.call(block.address, self.previous))
        block.held = self.whole
        return done

    def _is_finite(self, total: float = 0.0) -> bool:
        """Whether the parameters and the state are, and the sum of the losses."""
        state = self.program.state
        return bool(
            np.isfinite(total) and np.isfinite(self.program.parameters).all() and (not state.size or np.isfinite(state).all())
        )

    def _lost(self, batch: int, count: int) -> None:
        """The loss of a batch, its first `count` ones, is not finite; or after the last one the parameters are not."""
        with np.errstate(all="ignore"):
            value = float(np.sum(self.block.losses[:count], dtype=np.float64))
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
        words = self.block.words
        self.slice.restore()
        self.previous[:] = self.program.parameters
        fill(words, keeps=1)
        self._walk(self.slice.first, int(words[PLACES["last"]]))
        fill(words, keeps=0)
        for array, previous in ((self.program.parameters, self.previous), (self.program.state, self.previous_state)):
            if not np.isfinite(array).all():
                array[:] = previous

    def close(self) -> None:
        self.block.parts.close()
        self.slice.forget()
        self.program.spare["slice"] = self.slice
        run.give(self.workspace)

    def require_capacity(self, size: int) -> None:
        """Take a larger workspace if batches are larger than those before."""
        if size > self.workspace.capacity:
            self.workspace = run.take(self.program, size)
            if self.program.mode_rows:
                self.workspace.set_modes()

    def _epochs_a_slice(self, batches: int) -> int:
        """How many epochs one call may walk through: more than one if steps are short, and all examples are in memory."""
        if type(self.data) is not Data or not self.seconds_a_batch:
            return 1
        return max(1, min(_MOST_EPOCHS, int(_SLICE / (self.seconds_a_batch * batches))))

    def _batches_a_slice(self) -> int:
        """How many batches a walk may take before it comes back to Python; one before the first is timed."""
        return max(1, int(_SLICE / self.seconds_a_batch)) if self.seconds_a_batch else 1


@cache
def _prepare(walk: Any, dtype: Any) -> None:
    """Compile a walk, or load it, before the first epoch is timed; to ask whether it is there takes half as long as a fit."""
    walk.compile(dtype)


class _Slice:
    """What a slice of an epoch began with: copies of the arrays that it writes to."""

    def __init__(self) -> None:
        self.arrays: tuple[np.ndarray, ...] = ()
        self.copies: list[np.ndarray] = []
        self.first = 0  # its first batch

    def note(self, *arrays: np.ndarray) -> None:
        self.arrays = arrays
        if [array.shape for array in arrays] != [copy.shape for copy in self.copies]:
            self.copies = [array.copy() for array in arrays]
        else:
            for array, copy in zip(arrays, self.copies):
                if array.size:
                    copy[...] = array

    def forget(self) -> None:
        """Keep the memory, not what it is of."""
        self.arrays = ()

    def restore(self) -> None:
        for array, copy in zip(self.arrays, self.copies):
            array[...] = copy


class _Block:
    """What a walk needs to know of the examples that it takes: the record, and the arrays whose addresses are in it.

    Attributes
    ----------
    sums : for each epoch of a walk the sum of weighted losses and of hits; then how many epochs are done.
    order_and_seed : what an epoch after the first changes. held : whether the workspace holds the only batch there is.
    """

    def __init__(self, runner: CompiledRunner) -> None:
        self.runner = runner
        self.sums = np.zeros(3)
        self.order_and_seed: tuple[np.ndarray, ...] = ()
        self.held = False
        self.record = np.zeros(1, EPOCH)
        self.address = self.record.ctypes.data
        self.words, self.clip = self.record.view(np.int64), self.record["clip"]
        self.losses = self.right = self.batch_y = np.empty(0)
        self.rates = np.empty(0)
        self._loaded: tuple[Any, Any, Any] = (None, None, None)
        self._size = 0
        fill(self.words, **runner.common)
        self.parts = Parts(runner.program, self.record)

    def begin(self, epochs: int = 1, seed: np.ndarray | None = None, fresh: bool = True) -> None:
        """Be ready for so many epochs in one walk, with the order shuffled by the seed before each but the first."""
        if len(self.sums) != 2 * epochs + 1:
            self.sums = np.zeros(2 * epochs + 1)
        elif fresh:
            self.sums[:] = 0
        self.order_and_seed = () if seed is None or epochs == 1 else (self._loaded[1], seed)
        fill(
            self.words, totals=self.sums.ctypes.data, epochs=epochs, stays=self.runner.whole,
            seed=self.order_and_seed[1].ctypes.data if self.order_and_seed else 0,
        )  # fmt: skip

    def set_rates(self, rates: np.ndarray) -> None:
        """Note the learning rates of the block's batches."""
        if self.rates.size < rates.size:
            self.rates = np.empty(rates.size)
            fill(self.words, rates=self.rates.ctypes.data)
        self.rates[: rates.size] = rates

    def load(self, data: Data, rows: np.ndarray, size: int) -> None:
        """Point to some examples, to be taken in this order in batches of this size. They are kept alive."""
        runner = self.runner
        runner.require_capacity(size)
        was_data, was_rows, was_in = self._loaded
        if was_data is data and was_rows is rows and was_in is runner.workspace and size == self._size:
            return
        columns = data.targets.shape[1]
        dtype = runner.program.dtype
        if self.losses.size < size * data.positions:
            self.losses, self.right = (aligned(size * data.positions, dtype) for _ in range(2))
        if self.batch_y.size < size * columns:
            self.batch_y = aligned(size * columns, dtype)
        data.matrix = data.X.reshape(data.n, -1)
        self._loaded, self._size = (data, rows, runner.workspace), size
        self.held = False
        fill(
            self.words, walk=runner.workspace.address, data=data.matrix.ctypes.data, examples=data.n, positions=data.positions,
            targets=data.targets.ctypes.data, target_columns=columns, weights=data.weights.ctypes.data,
            weight_count=data.weights.size, loss_z=data.z.address, order=rows.ctypes.data, batch_size=size,
            y=self.batch_y.ctypes.data, losses=self.losses.ctypes.data, right=self.right.ctypes.data,
        )  # fmt: skip
        self.parts.share(size, len(rows))


def can_compile(net: Any, loss: Any, optimizer: Any) -> bool:
    """Whether every module, the loss and the optimizer have kernels, and one flat vector is all there is to move."""
    return (
        all(is_wired(part) or is_ours(part) for part in parts(net))
        and 0 < net.storage.parameters.size == net.parameters.size
        and bool(getattr(type(loss), "is_compiled", False))
        and type(optimizer).is_compiled
        and optimizer.flat_group() is not None
    )
