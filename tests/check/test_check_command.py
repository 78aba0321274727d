"""python -m modnet check on hand-ins that print, plot, loop, exit or can't be imported; and the pytest plugin."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import modnet.check
from modnet.__main__ import main

RIGHT = """
import numpy as np

class Module:
    def forward(self, X):
        pass
    def backward_delta(self, input, delta):
        pass

class TanH(Module):
    def forward(self, X):
        return np.tanh(X)
    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)
"""
WRONG = """
class Sigmoide(TanH):
    def forward(self, X):
        return 1 / (1 + np.exp(-X))
    def backward_delta(self, input, delta):
        return delta * input * (1 - input)

class MSELoss:
    def forward(self, y, yhat):
        return ((y - yhat) ** 2).sum(axis=1)
    def backward(self, y, yhat):
        return 2 * (y - yhat)
"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="projet.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def check(*arguments):
    return main(["check", *map(str, arguments)])


def test_a_right_file_has_one_line_a_class_and_status_0(file, capsys):
    assert check(file(RIGHT)) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["TanH", "ok"]


def test_a_wrong_file_has_findings_and_status_1_in_every_form(file, tmp_path, capsys):
    names = {what: tmp_path / f"out.{what}" for what in ("json", "html", "csv")}
    assert check(file(RIGHT + WRONG), *(word for what, name in names.items() for word in (f"--{what}", name))) == 1
    out = capsys.readouterr().out
    assert "Sigmoide  at-output (backward_delta)" in out
    assert "MSELoss   sign (backward)" in out
    assert "return delta * input * (1 - input)" in out
    (found,) = json.loads(names["json"].read_text())
    kinds = {c["name"]: [f["kind"] for f in c["findings"]] for c in found["classes"]}
    assert kinds == {"TanH": [], "Sigmoide": ["at-output"], "MSELoss": ["sign"]}
    (finding,) = found["classes"][1]["findings"]
    assert (finding["file"], finding["cell"], finding["line_number"]) == (str(tmp_path / "projet.py"), None, 20)
    assert "at-output" in names["html"].read_text(encoding="utf-8")
    assert names["csv"].read_text(encoding="utf-8-sig").splitlines()[1] == "projet,1,2,0,0,0,sign,at-output,ok"


def test_a_class_a_loss_and_a_call_can_be_chosen(file, capsys):
    path = file(RIGHT + WRONG + "\nclass Power(Module):\n    def __init__(self, n, unit):\n        self.n = n\n"
                "    def forward(self, X):\n        return X ** self.n\n"
                "    def backward_delta(self, input, delta):\n        return self.n * delta\n")  # fmt: skip
    assert check(path, "--class", "TanH") == 0
    assert check(path, "--loss", "MSELoss") == 1
    capsys.readouterr()
    assert check(path, "--class", "Power", "--make", "Power(3, 'm')", "--shape", "2,3") == 1
    assert capsys.readouterr().out.startswith("Power  missing-factor (backward_delta)")


def test_an_unknown_class_is_refused_with_those_there_are(file, capsys):
    with pytest.raises(SystemExit) as ended:
        check(file(RIGHT), "--class", "Tahn")
    assert ended.value.code == 2
    assert "there is no class Tahn, expected one of TanH" in capsys.readouterr().err


def test_a_missing_file_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        check(tmp_path / "none.py")
    assert ended.value.code == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_printing_plotting_asking_training_and_exiting_at_import_are_survived(file, capsys):
    text = (
        "print('hello')\nimport matplotlib.pyplot as plt\nplt.plot([1]); plt.show()\nname = input('who? ')\n"
        + RIGHT + "\nfor i in range(10**12):\n    pass\nwhile True:\n    pass\nimport sys\nsys.exit(3)\n"
    )  # fmt: skip
    started = time.monotonic()
    assert check(file(text)) == 0
    assert "hello" not in capsys.readouterr().out
    assert time.monotonic() - started < 60


def test_what_is_lost_is_said_and_the_rest_is_checked(file, capsys):
    assert check(file("import not_there\nfrom helpers_of_mine import x\nclass A\n    pass\n" + RIGHT)) == 3
    out = capsys.readouterr().out
    assert "not loaded: A (projet.py, line 3: SyntaxError: expected ':')" in out
    assert "not found, stood in for: helpers_of_mine, not_there" in out
    assert "TanH  ok" in out


def test_a_folder_gives_a_table_of_students_by_modules(file, tmp_path, capsys):
    file(RIGHT, "class/alice/modules.py")
    file(RIGHT + WRONG, "class/bob/project.py")
    file("import numpy as np\nfrom helper import Module\n" + RIGHT[RIGHT.index("class TanH") :], "class/carol/main.py")
    file("class Module:\n    pass\nraise SystemExit\n", "class/carol/helper.py")
    file("import os\nos._exit(0)\n", "class/dave.py")
    assert check(tmp_path / "class", "--jobs", "2") == 1
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["alice"] == ["alice", "ok", "-", "-"]
    assert lines["bob"] == ["bob", "ok", "sign", "at-output"]
    assert lines["carol"] == ["carol", "ok", "-", "-"]
    assert lines["dave:"][1:] == ["no", "module", "or", "loss", "was", "found"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at a terminal and at processes as Linux has them")
def test_on_a_terminal_the_time_left_is_said_and_an_interrupt_leaves_nothing(file, tmp_path):
    import fcntl
    import pty
    import struct
    import termios

    for name in ("alice", "b\x1b[31mob" + "b" * 60):
        file(RIGHT, f"class/{name}/m.py")
    endless = RIGHT.replace("return np.tanh(X)", "\n        while True:\n            pass")
    for i in range(3):
        file(endless, f"class/z{i}/m.py")
    page, (mine, its) = tmp_path / "out.html", pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 60, 0, 0))
    command = [sys.executable, "-m", "modnet", "check", tmp_path / "class", "--jobs", "2", "--html", page]
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its, **listening) as process:
        os.close(its)
        shown = ""
        while not re.search("[12] of 5", shown):  # two that end at once are shown once
            shown += os.read(mine, 4096).decode(errors="replace")
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        workers = [pid for listed in children for pid in listed.read_text().split()]
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # as a terminal ends
            while more := os.read(mine, 4096):
                shown += more.decode(errors="replace")
        assert process.stdout.read() == b""
    os.close(mine)
    assert process.returncode == 130
    assert shown.endswith("modnet: interrupted\r\n")
    lines = shown.split("\r")
    assert any(re.search(r"\| [12] of 5 hand-ins, \d\d:\d\d left, ", line) for line in lines)
    assert "\x1b[31m" not in shown
    assert max(map(len, lines)) <= 60
    assert not page.exists()
    assert workers
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_networks_and_optimizers_of_the_file_are_checked(file, capsys):
    text = (
        RIGHT
        + """
class Sequentiel:
    def __init__(self, *modules):
        self.modules = modules
    def zero_grad(self):
        for m in self.modules: m.zero_grad()
    def forward(self, X):
        self.seen = [X]
        for m in self.modules: self.seen.append(m.forward(self.seen[-1]))
        return self.seen[-1]
    def update_parameters(self, eps=1e-3):
        for m in self.modules: m.update_parameters(eps)
    def backward_update_gradient(self, input, delta):
        for m, x in zip(self.modules[::-1], self.seen[-2::-1]):
            m.backward_update_gradient(x, delta)
            delta = m.backward_delta(x, delta)

class Optim:
    def __init__(self, net, loss, eps):
        self.net, self.loss, self.eps = net, loss, eps
    def step(self, x, y):
        out = self.net.forward(x)
        self.net.backward_update_gradient(x, self.loss.backward(y, out) / len(y))
        self.net.update_parameters(self.eps)
"""
    )
    signatures = ("zero_grad(self)", "update_parameters(self, s)", "backward_update_gradient(self, i, d)")
    idle = "\n    ".join(f"def {signature}: pass" for signature in signatures)
    text = text.replace("class TanH(Module):", f"class TanH(Module):\n    {idle}")
    assert check(file(text)) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[:3]]
    assert lines == [["TanH", "ok"], ["Sequentiel", "ok"], ["Optim", "never-zeroed", "(step)"]]


def test_pytest_shows_the_report_in_place_of_a_traceback(file):
    path = file(
        "import numpy as np\nfrom modnet.check import assert_gradients\n"
        "class Sigmoide:\n    def forward(self, X):\n        return 1 / (1 + np.exp(-X))\n"
        "    def backward_delta(self, input, delta):\n        return delta\n"
        "def test_sigmoide():\n    assert_gradients(Sigmoide(), (4, 3))\n",
        "test_mine.py",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "modnet.check.pytest_plugin",
        "-q",
        "--rootdir",
        str(path.parent),
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "1. Sigmoide.backward_delta: identity" in done.stdout
    assert "test_mine.py:9: CheckFailed" in done.stdout
    assert "raise_if_failed" not in done.stdout


def test_every_option_that_a_message_advises_exists(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    folder = Path(modnet.check.__file__).parent
    advised = set()
    for file in folder.rglob("*.py"):  # a style's --name: or var(--name) is none
        advised |= set(re.findall(r"(?<![\w(-])--[a-z]+\b(?![\w:)-])", file.read_text("utf-8")))
    assert {"--make", "--class"} <= advised <= known
