"""scikit-learn's own tests of its MLPs, run against NetClassifier and NetRegressor with only the import changed.

    python benchmarks/drop_in.py

Takes test_mlp.py of the scikit-learn that is installed, changes its import in a copy in a temporary folder, runs it with
pytest and prints how many tests pass and the name of each that does not. docs/estimators.md has the reasons.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import sklearn
import sklearn.neural_network

THEIRS = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
OURS = "from modnet.estimators import NetClassifier as MLPClassifier, NetRegressor as MLPRegressor\n"
SETTINGS = """\
import os, pytest

@pytest.fixture
def global_random_seed():
    return 42
"""


def main() -> int:
    source = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    text = source.read_text(encoding="utf-8")
    if THEIRS not in text:
        print(f"{source} does not import the MLPs in the line {THEIRS.strip()!r}", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        (Path(folder) / "test_mlp.py").write_text(text.replace(THEIRS, OURS), encoding="utf-8")
        (Path(folder) / "conftest.py").write_text(SETTINGS, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=line", "-p", "no:cacheprovider", *sys.argv[1:], folder]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ}, check=False)
    print(f"scikit-learn {sklearn.__version__}, test_mlp.py")
    for line in done.stdout.splitlines():
        found = re.match(r"FAILED \S*::(\S+)(?: - (.*))?", line)
        if found:
            print(f"  {found[1]}: {found[2] or ''}")
    print(done.stdout.strip().splitlines()[-1])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
