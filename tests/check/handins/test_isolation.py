"""A class that loops, crashes, fills memory or floods costs itself alone; and no process outlives the command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modnet.__main__ import main
from modnet.check.handins.run import _events, _Running

BAD = """
import os, sys, time
import numpy as np

class Module:
    def forward(self, X): pass
    def backward_delta(self, input, delta): return delta

class Loops(Module):
    def forward(self, X):
        while True:
            for i in range(9):
                helper(i)

def helper(i):
    return i + 1

class Dies(Module):
    def forward(self, X):
        os.abort()

class Exits(Module):
    def forward(self, X):
        sys.exit(0)

class Hogs(Module):
    def forward(self, X):
        return np.ones((10**6, 10**6))

class Slow(Module):
    def forward(self, X):
        begun = time.process_time()
        while time.process_time() < begun + 0.03:
            pass
        return X * 1.0

class Large(Module):
    def __init__(self):
        self._parameters = np.zeros((7, 10**7))  # a copy is too much, and nothing has to be written to see it
    def forward(self, X):
        return X * self._parameters[0, 0]

class Floods(Module):
    def forward(self, X):
        print("x" * 10**6)
        raise ValueError("\\x1b[2J" + "x" * 10**7)

class Starts(Module):
    def forward(self, X):
        os.system("true")

class Kills(Module):
    def forward(self, X):
        os.kill(os.getppid(), 9)

class Changes(Module):
    def forward(self, X):
        np.tanh = np.sin
        os.chdir("/")
        return X * 1.0

class TanH(Module):
    def forward(self, X): return np.tanh(X)
    def backward_delta(self, input, delta): return delta * (1 - np.tanh(input) ** 2)
"""


def test_each_class_costs_itself_alone_and_twice_gives_the_same(tmp_path, capsys):
    (tmp_path / "m.py").write_text(BAD)

    def check():
        assert main(["check", str(tmp_path / "m.py"), "--timeout", "2", "--memory", "1", "--json", "--jobs", "2"]) == 1
        return capsys.readouterr().out

    text = check()
    (found,) = json.loads(text)
    classes = {c["name"]: c["findings"][0] if c["findings"] else None for c in found["classes"]}
    kinds = {name: finding and finding["kind"] for name, finding in classes.items()}
    assert list(kinds) == ["Loops", "Dies", "Exits", "Hogs", "Slow", "Large", "Floods", "Starts", "Kills", "Changes", "TanH"]
    said = {c["name"]: c["remark"] for c in found["classes"] if not c["checked"]}
    assert said == {  # whether it is the class's doing, or the check's, is not known
        "Slow": "its check takes more than 2 seconds of the processor: --timeout gives it more, "
        "or --make 'Slow(...)' builds a smaller one",
        "Large": "its check takes more than 1 GB: --memory gives it more, or --make 'Large(...)' builds a smaller one",
    }
    assert kinds["Loops"] == "endless"
    assert classes["Loops"]["line"] == "line 11: while True:"
    assert classes["Loops"]["file"] == str(tmp_path / "m.py")
    assert "signal 6" in classes["Dies"]["message"] or "exit status" in classes["Dies"]["message"]
    assert "exit status 0" in classes["Exits"]["message"]
    assert kinds["Hogs"] == "memory"
    assert "\x1b" not in text
    assert len(classes["Floods"]["message"]) < 1000
    assert "PermissionError" in classes["Starts"]["message"]
    assert "os.kill" in classes["Kills"]["message"]
    assert kinds["TanH"] is None
    assert check() == text


def test_a_file_that_ends_the_process_while_it_is_loaded_costs_that_file_alone(tmp_path, capsys):
    (tmp_path / "ends.py").write_text("class Ends:\n    import os\n    os._exit(0)\n    def forward(self, X): pass\n")
    (tmp_path / "m.py").write_text(f"from ends import *\nimport numpy as np\nclass Module: pass\n{BAD[BAD.index('class TanH') :]}")
    assert main(["check", str(tmp_path), "--project"]) == 3
    out = capsys.readouterr().out
    assert "TanH  ok" in out
    assert "not loaded: Ends (ends.py, line 1: its process ended while it was loaded)" in out
    assert "left out: m.py, line 1: ImportError: ends.py cannot be loaded" in out


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
def test_no_process_outlives_the_command_that_is_killed_and_no_folder(tmp_path):
    (tmp_path / "m.py").write_text(BAD[: BAD.index("class Dies")].replace("while True:", f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())) and None\n        while True:"))  # fmt: skip
    (tmp_path / "scratch").mkdir()
    command = subprocess.Popen(
        [sys.executable, "-m", "modnet", "check", "m.py"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path / "scratch")},
    )  # fmt: skip
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text()):
        assert command.poll() is None
        time.sleep(0.05)
    looping = int(pid.read_text())
    worker = int(Path(f"/proc/{looping}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert list((tmp_path / "scratch").iterdir())
    command.send_signal(signal.SIGKILL)
    command.wait()
    for _ in range(1200):
        if not (_runs(looping) or _runs(worker)):
            break
        time.sleep(0.05)
    else:
        raise AssertionError(f"{looping} or {worker} still runs")
    assert not list((tmp_path / "scratch").iterdir())


def _runs(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_process_that_says_nothing_is_ended():
    running = _Running()
    silent = [sys.executable, "-c", "import time; time.sleep(600)"]
    process = subprocess.Popen(silent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    running.processes.add(process)
    assert list(_events(process, {}, 0.2, running)) == []
    assert process.wait(60) != 0


WITH_MEANS = """
import os
import numpy as np

def note(who):
    with open(os.path.join(os.path.dirname(__file__), "built"), "a") as file:
        file.write(f"{type(who).__name__} {os.getpid()}\\n")

class Dense:
    def __init__(self, n_in, n_out):
        note(self)
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, grad):
        self.dW, self.db = self.x.T @ grad / len(grad), grad.mean(axis=0)
        return grad @ self.W.T

class Embedding(Dense):
    def __init__(self, n_in=3, n_out=2):
        super().__init__(n_in, n_out)
        self.table = np.ones((10**8, 2))

class MSE:
    def forward(self, y_pred, y_true):
        self.y_pred, self.y_true = y_pred, y_true
        return np.mean(np.sum((y_pred - y_true) ** 2, axis=1))
    def backward(self):
        return 2 * (self.y_pred - self.y_true)
"""


def test_what_others_are_is_asked_of_them_once_and_costs_them_alone(tmp_path, capsys):
    names = [f"Loss{i}" for i in range(4)]
    (tmp_path / "m.py").write_text(WITH_MEANS + "\n".join(f"class {name}(MSE): pass" for name in names))
    main(["check", str(tmp_path / "m.py"), "--memory", "1", "--json", "--jobs", "2"])
    (found,) = json.loads(capsys.readouterr().out)
    said = {c["name"]: (c["checked"], [f["kind"] for f in c["findings"]], len(c["notes"])) for c in found["classes"]}
    assert all(said[name] == (True, [], 1) for name in ("Dense", *names)), said  # the mean is the layers' affair
    assert said["Embedding"] == (False, [], 0)
    built = (tmp_path / "built").read_text().split("\n")
    assert len({line for line in built if line.startswith("Dense")}) <= 3  # asked, asked for what others want to know, asked again
