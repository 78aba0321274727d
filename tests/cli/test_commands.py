"""Help, version, `datasets` and `demo`, and how the program ends."""

import re
import subprocess
import sys

import pytest
from command_lines import figures, run

import modnet
from modnet import datasets


def test_no_command_shows_the_commands(capsys):
    status, out, err = run(capsys)
    assert (status, out) == (2, "")
    assert all(command in err for command in ("train", "datasets", "demo", "doctor", "playground", "warmup"))


def test_version_and_help(capsys):
    assert run(capsys, "--version") == (0, f"modnet {modnet.__version__}\n", "")
    status, out, err = run(capsys, "train", "--help")
    assert (status, err) == (0, "")
    assert all(option in out for option in ("--layers", "--activation", "--optimizer", "--plot", "--patience"))


def test_help_and_datasets_import_neither_scikit_learn_nor_matplotlib():
    code = """
import contextlib, sys
from modnet.__main__ import main
with contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"sklearn", "matplotlib"}))
"""
    for words in (["--help"], ["train", "--help"], ["datasets"], ["train", "xor", "--lr", "0"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("[]\n"), words


def test_datasets_lists_every_name_with_its_sizes(capsys):
    status, out, _ = run(capsys, "datasets")
    assert status == 0
    for name in datasets.names():
        record = datasets.info(name)
        assert re.search(rf"^{name} +{record.n} +{record.features} ", out, re.MULTILINE)
    status, out, _ = run(capsys, "datasets", "wine")
    assert " ".join(out.split()) == datasets.describe("wine")


@pytest.mark.needs_jit
def test_the_demo_reaches_97_percent_on_digits_and_draws_both_pictures(capsys, tmp_path):
    status, out, _ = run(capsys, "demo", "--folder", tmp_path / "demo")
    assert status == 0
    digits, moons = re.split(r"^\$ .*train moons", out, flags=re.MULTILINE)
    assert figures(digits)["test"][2] >= 97
    assert figures(moons)["test"][2] >= 97
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["digits.png", "moons.png"]


def test_a_reader_who_leaves_early_is_no_error():
    code = "import sys; from modnet.__main__ import main; sys.exit(main(['datasets']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_the_playground_says_what_to_install_if_panel_is_missing(capsys, monkeypatch):
    monkeypatch.setattr("modnet.cli.playground.find_spec", lambda name: None)
    status, _, err = run(capsys, "playground")
    assert status == 2
    assert 'pip install "modnet[playground]"' in err
