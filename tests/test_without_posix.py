"""Half of the people who use this have Windows: nothing may need what only POSIX has."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# What Windows lacks is taken away in every Python process below, children of `check` included.
SITE = """
import os, signal, subprocess, sys

for name in ("killpg", "getuid", "geteuid", "fork", "register_at_fork", "getpgid", "setsid", "sched_setaffinity"):
    if hasattr(os, name):
        delattr(os, name)
subprocess.Popen.kill = subprocess.Popen.terminate  # as on Windows, which has no SIGKILL
import multiprocessing.process
multiprocessing.process.BaseProcess.kill = multiprocessing.process.BaseProcess.terminate
if hasattr(signal, "SIGKILL"):
    del signal.SIGKILL
for name in ("resource", "fcntl", "pwd", "grp"):
    sys.modules[name] = None
"""

STUDENT = """
import numpy as np


class TanH:
    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return (1 - np.tanh(input) ** 2) * delta


class Forever:
    def forward(self, X):
        while True:
            pass

    def backward_delta(self, input, delta):
        return delta
"""


@pytest.fixture
def run(tmp_path):
    """Run Python without POSIX in a folder of its own."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    source = Path(__file__).parent.parent
    paths = [str(tmp_path / "site"), str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "agg"}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )

    return run


def test_import_and_training(run):
    done = run(
        "-c",
        textwrap.dedent("""
            import os
            assert not hasattr(os, "fork") and not hasattr(os, "getuid")
            import numpy as np
            import modnet
            from modnet import MSE, Linear, Sequential, Tanh, fit, predict
            from modnet.optim import Adam

            X = np.linspace(-1, 1, 20)[:, None]
            net = Sequential(Linear(1, 4, rng=0), Tanh(), Linear(4, 1, rng=1))
            history = fit(net, X, X**2, MSE(), Adam(0.01), epochs=5, rng=0, progress=False)
            print(len(history.loss), predict(net, X).shape)
        """),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["5", "(20,", "1)"]


def test_train_on_the_command_line(run):
    done = run("-m", "modnet", "train", "moons", "--epochs", "3")
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout


def test_check_on_the_command_line_and_its_end_of_an_endless_loop(run, tmp_path):
    (tmp_path / "handin.py").write_text(STUDENT)
    done = run("-m", "modnet", "check", "handin.py", "--timeout", "2")
    assert "TanH     ok" in done.stdout
    assert "Forever  endless" in done.stdout
    assert "while True:" in done.stdout
    assert "Traceback" not in done.stderr
