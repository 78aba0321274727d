"""The picture that `train --plot` saves, and what is refused before training."""

import re

import pytest
from command_lines import QUICK, figures, refused, run
from PIL import Image

from modnet import plotting
from modnet.cli import train


@pytest.mark.parametrize(
    ("data", "panels"), [("iris", 3), ("moons", 3), ("marks_more", 2), ("different", 2)]
)
def test_plot_saves_the_curves_and_what_was_learned(capsys, tmp_path, monkeypatch, data, panels):
    made = []
    save = plotting.save
    monkeypatch.setattr(plotting, "save", lambda figure, path: made.append(figure) or save(figure, path))
    status, out, err = run(capsys, "train", data, *QUICK, "--plot", tmp_path / "p.png")
    assert (status, err) == (0, "")
    assert f"The picture is in {tmp_path / 'p.png'}\n" in out
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG"
        assert image.width > image.height
    (figure,) = made
    assert len([ax for ax in figure.axes if ax.get_label() != "<colorbar>"]) == panels
    assert figure.get_suptitle().startswith(f"{data}: ")


def test_a_picture_that_cannot_be_saved_is_refused_before_training(capsys, tmp_path):
    message = refused(capsys, "train", "xor", "--plot", tmp_path / "no" / "p.png")
    assert message == f"argument --plot: there is no folder {str(tmp_path / 'no')!r}, expected one that exists"
    message = refused(capsys, "train", "xor", "--plot", tmp_path)
    assert message.startswith(f"argument --plot: {str(tmp_path)!r} is a folder, expected a file, such as")
    message = refused(capsys, "train", "xor", "--plot", tmp_path / "p.doc")
    assert re.search(r"ends in '\.doc', expected one of .*\.pdf.*\.png.*\.svg", message)


def test_a_place_without_leave_to_write_is_refused_before_training(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(train.os, "access", lambda path, mode: path != tmp_path)
    assert "cannot be written to, expected another place" in refused(capsys, "train", "xor", "--plot", tmp_path / "p.png")


def test_a_picture_that_fails_after_all_is_one_line(capsys, tmp_path, monkeypatch):
    def full(figure, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plotting, "save", full)
    status, out, err = run(capsys, "train", "xor", *QUICK, "--plot", tmp_path / "p.png")
    assert status == 2
    assert list(figures(out)) == ["training"]
    assert err.endswith("No space left on device, expected a place to write to\n")
    assert err.count("\n") == 1
