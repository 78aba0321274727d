"""Guard words around every block that kernels write to, and a watch over memory that nobody holds any more.

Kernels are given addresses. One that writes past its block destroys a guard; one that still writes to a block after its last
owner has let it go changes what is kept here, full of NaN, and one that still reads it answers NaN.
"""

import sys
from collections import deque

import numpy as np

from modnet.kernels import memory
from modnet.kernels.memory import ALIGNMENT

WORDS = np.random.default_rng(7).bytes(256)
GUARD = np.frombuffer(WORDS, np.uint8)
_NOBODY = 3  # references to a block that only this file holds: in its list, by the loop's name, by the question itself


class Guards:
    """Stands in for `modnet.kernels.memory.aligned` wherever the library has imported it."""

    def __init__(self):
        self.held, self.left = [], deque()

    def install(self):
        """Guard every block that is made from now on."""
        original = memory.aligned
        for name, module in list(sys.modules.items()):
            if name.startswith("modnet") and getattr(module, "aligned", None) is original:
                module.aligned = self.aligned
        return self

    def aligned(self, size, dtype):
        """A vector of zeros that begins at a multiple of ALIGNMENT bytes, between two guards."""
        dtype = np.dtype(dtype)
        count, guard = size * dtype.itemsize, GUARD.size
        block = np.zeros(guard + ALIGNMENT + count + guard, np.uint8)
        start = guard + -(block.ctypes.data + guard) % ALIGNMENT
        block[start - guard : start], block[start + count : start + count + guard] = GUARD, GUARD
        found = block[start : start + count].view(dtype)
        self.held.append((block, start, start + count))
        return found

    def check(self):
        """AssertionError if a guard is gone, or memory that nobody holds was written to."""
        still = []
        for entry in self.held:
            block, start, end = entry
            before, after = block[start - GUARD.size : start].tobytes(), block[end : end + GUARD.size].tobytes()
            assert before == WORDS, f"a block of {end - start} bytes was written to before its beginning"
            assert after == WORDS, f"a block of {end - start} bytes was written to after its end"
            if sys.getrefcount(block) > _NOBODY:
                still.append(entry)
            else:
                block[:] = 255  # NaN, or -1
                self.left.append(entry)
        self.held = still
        for block, start, end in self.left:
            assert block.tobytes().count(255) == block.size, f"a block of {end - start} bytes was written to after its owners had let it go"
        while len(self.left) > 300:
            self.left.popleft()
