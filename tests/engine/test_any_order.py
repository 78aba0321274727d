"""Public calls in any order, and in pairs at once, in a process of their own: one that dies is a failing test, with the calls that killed it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import modnet

HERE = Path(__file__).parent
HAS_PAGES = sys.platform == "linux" and shutil.which(os.environ.get("CC", "cc")) is not None


def run(script, *options):
    path = [str(Path(modnet.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", HERE / script, *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        capture_output=True,
        text=True,
        timeout=900,
    )


# Here the same sequences come in every run. `make test-any-order` goes on for as long as one likes, in threads, too; what
# threads may do at the same time is asserted in test_threads.
def test_no_sequence_of_calls_answers_wrongly_or_kills_the_process(tmp_path):
    log = tmp_path / "steps"
    done = run("any_order.py", "--seconds", "20", "--no-threads", "--log", log)
    if done.returncode:
        steps = log.read_text().split("a new sequence\n")[-1] if log.exists() else ""
        raise AssertionError(
            f"exit status {done.returncode} after these steps (--replay finds fewer):\n{steps}\n{done.stderr[-6000:]}"
        )
    assert "all right" in done.stdout


def test_no_two_calls_at_once_write_where_nothing_is_theirs():
    """An optimizer that was attached beside an `append` had moments for the old network and wrote by the places of the new."""
    done = run(*(["pages.py"] if HAS_PAGES else []), "at_once.py", "--seconds", "0.03")
    assert done.returncode == 0, done.stderr[-6000:]
    assert "all right" in done.stdout


@pytest.mark.skipif(not HAS_PAGES, reason="needs Linux and a C compiler")
@pytest.mark.parametrize(
    ("touch", "status"),
    [
        ("ctypes.memset(a.ctypes.data + 63, 1, 1)", 0),
        ("ctypes.memset(a.ctypes.data + 64, 1, 1)", -signal.SIGSEGV),
        ("ctypes.memset(a.ctypes.data - 1, 1, 1)", -signal.SIGABRT),  # seen when it is freed
        ("at = a.ctypes.data; del a; ctypes.string_at(at, 1)", -signal.SIGSEGV),
    ],
    ids=["its last byte", "past its end", "before its beginning", "freed"],
)
def test_pages_show_who_touches_what_is_not_theirs(tmp_path, touch, status):
    script = tmp_path / "touch.py"
    script.write_text(f"import ctypes, numpy as np\na = np.zeros(8)\n{touch}\na = None\nprint('all right')\n")
    done = run("pages.py", script)
    assert done.returncode == status, done.stderr
    assert ("all right" in done.stdout) is (status == 0)
