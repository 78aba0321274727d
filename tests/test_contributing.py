"""The worked examples of CONTRIBUTING.md: each one file, which every test over all modules then finds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = dict(
    zip(
        ("cube.py", "gate.py"),
        re.findall(r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE),
    )
)


@pytest.mark.parametrize(("file", "name"), [("cube.py", "Cube"), ("gate.py", "Gate")])
def test_a_file_written_by_contributing_is_found_and_passes_the_tests_of_all_modules(file, name, tmp_path):
    copied = tmp_path / "modnet"
    shutil.copytree(ROOT / "modnet", copied, ignore=shutil.ignore_patterns("__pycache__"))
    if (ROOT / "datasets").is_dir():
        (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    (copied / "modules" / file).write_text(FILES[file], encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT), "-k", name,
        str(ROOT / "tests" / "modules" / "test_module_contract.py"),
    ]  # fmt: skip
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) > 10


def test_the_loss_the_optimizer_and_the_schedule_that_it_points_to_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`(modnet/[a-z_/]+\.py)`", text):
        assert path in ("modnet/modules/cube.py", "modnet/modules/gate.py") or (ROOT / path).is_file(), path
