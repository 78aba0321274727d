"""Compiled kernels loaded from the cache, each test in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_jit

ALONE = """
import numpy as np
from modnet import Linear
layer = Linear(3, 2, rng=0).astype("float32")
layer.weight = [[1, 2], [3, 4], [5, 6]]
layer.bias = [0.5, -0.5]
assert layer.forward(np.ones((1, 3), "f")).tolist() == [[9.5, 11.5]]
"""

FIT = """
import sys
import numpy as np
from modnet import CrossEntropy, Linear, ReLU, Sequential, fit
from modnet.optim import Adam
net = Sequential(Linear(2, 4, rng=0), ReLU(), Linear(4, 2, rng=1))
fit(net, np.eye(2), np.arange(2), loss=CrossEntropy(), optimizer=Adam(0.1), epochs=2, rng=0, progress=False)
print(*(name for name in ("scipy.linalg", "sklearn", "matplotlib", "tqdm", "numba.np.linalg") if name in sys.modules))
"""


def run(script: str, cache: Path) -> str:
    env = {**os.environ, "MODNET_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or f"exit status {done.returncode}"
    return done.stdout.strip()


def test_a_kernel_of_matrix_products_is_loaded_where_no_table_was_built_before(tmp_path):
    run(ALONE, tmp_path)
    assert list(tmp_path.rglob("*.kernel"))
    run(ALONE, tmp_path)


def test_a_fit_from_the_cache_imports_no_library_that_it_does_not_use(tmp_path):
    run(FIT, tmp_path)
    assert run(FIT, tmp_path) == ""
