"""Training on several processes at once: each computes the gradient of its part of every batch, and MPI adds them up.

All ranks have the whole data and equal copies of the network. A batch has batch_size examples for each rank. After every
backward one vector goes round: the gradient, the figures of the batch, and whether a rank has failed. Each rank then takes the
same step, so the copies stay equal, to the bit.

(1)  gradient = sum over the ranks r of (n_r / n) gradient_r        n_r of the batch's n examples are rank r's

One exchange is the only place where ranks wait for each other, and it always has the same length: a rank that fails, wherever
that is, sends one last vector that says so, and the others raise an error when they receive it instead of waiting for ever.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from modnet.engine.storage import has_storage
from modnet.inputs import short_repr
from modnet.training.data import Data
from modnet.training.python import PythonRunner

_FIGURES = 5  # before the gradient: failed, total loss, hits, examples, those that count


class Team:
    """The processes that train together; as a context, what ends the training of one ends that of all.

    Parameters
    ----------
    comm : a communicator of mpi4py, such as ``MPI.COMM_WORLD``.
    """

    def __init__(self, comm: Any, net: Any, optimizer: Any) -> None:
        if not (callable(getattr(comm, "Allreduce", None)) and callable(getattr(comm, "allgather", None))):
            raise TypeError(f"fit: comm is {short_repr(comm)}, expected a communicator of mpi4py, such as MPI.COMM_WORLD")
        self.comm, self.net = comm, net
        self.rank, self.ranks = int(comm.Get_rank()), int(comm.Get_size())
        self.begun = self.ended = False
        self.buffer = np.empty(0)
        self._why_refused = ""
        if not has_storage(net) or getattr(net, "_strangers", []):
            self._why_refused = "comm needs a network of the library's modules: it cannot see the numbers of your own classes"
        elif optimizer.needs_loss:
            self._why_refused = f"{optimizer} has no gradient that ranks could add up, expected another optimizer with comm"

    def __enter__(self) -> Team:
        return self

    def begin(self, source: np.random.Generator) -> np.random.Generator:
        """Wait until all ranks have checked what they were given, and give them rank 0's numbers.

        Returns rank 0's generator. RuntimeError if a rank has refused its data.
        """
        if self._why_refused:
            raise ValueError(f"fit: {self._why_refused}")
        failed = [(rank, said) for rank, said in enumerate(self.comm.allgather("")) if said]
        self.begun = True
        self.ended = bool(failed)
        if failed:
            raise RuntimeError(f"fit: rank {failed[0][0]} ended the training of all ranks: {failed[0][1]}")
        storage = self.net.storage
        sizes = self.comm.allgather((storage.parameters.size, storage.state.size, str(storage.dtype)))
        if len(set(sizes)) > 1:
            self.ended = True  # all ranks see it
            raise ValueError(f"fit: the ranks have networks of {', '.join(map(str, sizes))} numbers, expected the same")
        for array in (storage.parameters, storage.state, storage.settings.view(np.int64), storage.draws):
            self.comm.Bcast(array, root=0)
        self.buffer = np.zeros(_FIGURES + storage.gradient.size + storage.state.size)
        found: np.random.Generator = self.comm.bcast(source, root=0)
        return found

    def mine(self, examples: np.ndarray) -> np.ndarray:
        """The part of a batch that is for this rank."""
        return np.array_split(examples, self.ranks)[self.rank]

    def exchange(self, share: float, figures: tuple[float, ...]) -> tuple[float, ...]:
        """Replace the gradient by the sum of all ranks' gradients, each times its share, and statistics by their mean.

        Returns the sums of the figures. RuntimeError if a rank has failed or stopped.
        """
        storage, buffer = self.net.storage, self.buffer
        n = _FIGURES + storage.gradient.size
        buffer[0], buffer[1:_FIGURES] = 0.0, figures
        np.multiply(storage.gradient, share, out=buffer[_FIGURES:n])
        np.divide(storage.state, self.ranks, out=buffer[n:])
        self._sum()
        if buffer[0]:
            self.ended = True
            raise RuntimeError("fit: another rank failed or stopped, so this one stops, too; its own output says why")
        storage.gradient[:], storage.state[:] = buffer[_FIGURES:n], buffer[n:]
        return tuple(buffer[1:_FIGURES].tolist())

    def _sum(self) -> None:
        self.comm.Allreduce(_in_place(), self.buffer)

    def require_equal(self) -> None:
        """RuntimeError, on all ranks, unless all have the same parameters."""
        digest = hashlib.sha256(self.net.storage.parameters.tobytes()).hexdigest()
        self.buffer[:] = 0.0
        # Halves of the digest as whole numbers that a float holds exactly: if all are equal, sum and first agree everywhere.
        parts = np.array([int(digest[i : i + 12], 16) for i in (0, 12, 24)], np.float64)
        self.buffer[1:4] = parts
        self._sum()
        if self.buffer[0] or not np.array_equal(self.buffer[1:4], parts * self.ranks):
            self.ended = True
            raise RuntimeError("fit: the ranks' parameters differ; callbacks must change the network alike on all ranks")

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if not self.begun:
            self.comm.allgather(f"{type(error).__name__}: {error}")
        elif not self.ended:
            self.buffer[:] = 0.0
            self.buffer[0] = error is not None
            self._sum()
            self.ended = True
            if error is None and self.buffer[0]:
                raise RuntimeError("fit: another rank failed or stopped after the last step; its own output says why")


def _in_place() -> Any:
    from mpi4py import MPI

    return MPI.IN_PLACE


class TeamRunner(PythonRunner):
    """Steps in Python, each on this rank's part of a batch."""

    team: Team

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.whole = False  # the order says which rank takes which examples

    def epoch(self, order: np.ndarray, bar: Any, seed: np.ndarray | None = None, most: int = 1) -> bool:
        done = super().epoch(order, bar)
        if done:
            self.team.require_equal()
        return done

    def _gradient(self, data: Data, examples: np.ndarray, draw: int) -> tuple[float, ...]:
        mine = self.team.mine(examples)
        self.training.net.zero_grad()
        figures = super()._gradient(data, mine, draw) if len(mine) else (0.0, 0.0, 0.0, 0.0)
        return self.team.exchange(len(mine) / len(examples), figures)
