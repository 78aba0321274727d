"""The example of a search over Dask's workers: it finds what the search in one process finds. Run where Dask is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

BOTH = """
import json, sys
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from search_with_dask import main

over_workers = main(candidates=2)
X, y = load_digits(return_X_y=True)
X, _, y, _ = train_test_split(X, y, random_state=0, stratify=y)
here = clone(over_workers).fit(X, y)
print(json.dumps([list(search.cv_results_["mean_test_score"]) for search in (over_workers, here)]))
"""


def test_a_search_over_two_workers_is_the_search_in_one_process():
    root = str(EXAMPLES.parent)
    path = os.pathsep.join([str(EXAMPLES), root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BOTH], capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 candidates, 3 folds each, on 2 workers: " in done.stdout
    over_workers, here = json.loads(done.stdout.splitlines()[-1])
    assert over_workers == here
    assert min(here) > 0.8
