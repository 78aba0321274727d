"""Public calls in any order, and in pairs at once, in a process of their own: one that dies is a failing test, with the calls that killed it."""

import os
import subprocess
import sys
from pathlib import Path

import modnet

HERE = Path(__file__).parent


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
    done = run("at_once.py", "--seconds", "0.03")
    assert done.returncode == 0, done.stderr[-6000:]
    assert "all right" in done.stdout
