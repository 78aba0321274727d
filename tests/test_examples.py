"""The scripts of the project statement: each runs, prints its figures and saves its pictures."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "examples" / "handout"

#: What each script must print, and the pictures it must save.
PROMISED = {
    "part1_regression": (["least squares:", "losses (100,)"], ["part1_regression"]),
    "part2_two_classes": (["one Linear:", "16 hidden"], ["part2_frontier", "part2_losses"]),
    "part3_sequentiel": (["checkerboard, TanH:", "batches of   10:"], ["part3_batches_and_checkerboard"]),
    "part4_digits": (
        ["by the formula nan, fused 0.0", "CrossEntropieLoss "],
        ["part4_confusion", "part4_mistakes", "part4_losses"],
    ),
    "part5_autoencoder": (
        ["numbers in the code", "tied", "purity of k-means", "labels  ", "by the denoiser"],
        ["part5_reconstructions", "part5_denoising", "part5_codes", "part5_decoded_plane"],
    ),
    "part6_convolution": (
        ["gives back [1.0, 0.0, 2.0, 0.0, 3.0, 0.0]", "Linear(4064 -> 100)", "convolution: test accuracy"],
        ["part6_maps", "part6_mistakes", "part6_accuracy"],
    ),
    "part7_free": (["rows and columns", "the same, average", "Conv2D ", "three kinds of signals"], ["part7_free"]),
}
FAST = "part1_regression"  # the others train long enough to be slow where nothing is compiled
CASES = [name if name == FAST else pytest.param(name, marks=pytest.mark.slow) for name in PROMISED]


def run(name, *arguments):
    """What a script prints, run as a person runs it, with warnings as errors and no screen."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")} | {"PYTHONPATH": path}
    command = [sys.executable, "-W", "error", str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_promised_something_and_told_of():
    scripts = {path.stem for path in SCRIPTS.glob("part*.py")}
    assert scripts == set(PROMISED)
    index = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert [name for name in PROMISED if f"handout/{name}.py" not in index] == []


@pytest.mark.parametrize("name", CASES)
def test_a_script_prints_its_figures_and_saves_its_pictures(name, tmp_path):
    words, pictures = PROMISED[name]
    printed = run(name, "--quick", "--out", tmp_path / "pictures")
    assert [text for text in (*words, "of processor time") if text not in printed] == []
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == set(pictures)
    for path in (tmp_path / "pictures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"picture: {path.name}" in printed


@pytest.mark.slow
def test_by_hand_by_optim_and_by_sgd_are_the_same_step(tmp_path):
    apart = re.search(r"differ by at most (\S+)", run("part3_sequentiel", "--quick", "--out", tmp_path))
    assert float(apart[1]) < 1e-12


@pytest.mark.slow
def test_the_reference_network_reaches_97_percent(tmp_path):
    mean = re.search(r"convolution: test accuracy (\S+) on average of 3", run("part6_convolution", "--out", tmp_path))
    assert float(mean[1]) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("files", [1, 2])
def test_the_courses_own_digits_are_read(tmp_path, files):
    rng = np.random.default_rng(0)
    for name, count in (("train", 80), ("test", 30)):
        rows = [f"{i % 10} " + " ".join(f"{v:.2f}" for v in rng.uniform(0, 2, 256)) for i in range(count)]
        (tmp_path / name).write_text("\n".join(["10 256", *rows, "-1"]))
    paths = [tmp_path / name for name in ("train", "test")[:files]]
    printed = run("part4_digits", "--quick", "--out", tmp_path / "pictures", "--usps", *paths)
    counts = (60, 20) if files == 1 else (80, 30)
    assert f"{counts[0]} digits to learn from, {counts[1]} for the test, of 256 pixels" in printed
