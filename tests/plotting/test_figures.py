"""Figures are made, styled and saved in one way."""

import inspect
import pickle
import subprocess
import sys

import matplotlib
import matplotlib.style
import pytest
from matplotlib.figure import Figure
from pictures import CORNERS, RIGHT, a_history

from modnet import CrossEntropy, Linear, ReLU, Sequential, plotting, predict
from modnet.scalar import Value


def a_net():
    return Sequential(Linear(2, 2, rng=0))


DRAW = {
    "history": lambda **options: plotting.history(a_history([2.0, 1.0]), **options),
    "frontier": lambda **options: plotting.frontier(a_net(), CORNERS, RIGHT, **options),
    "confusion": lambda **options: plotting.confusion(RIGHT, predict(a_net(), CORNERS), **options),
    "predictions": lambda **options: plotting.predictions([1.0, 2.0], [1.0, 3.0], **options),
    "error_surface": lambda **options: plotting.error_surface(a_net(), CrossEntropy(), CORNERS, RIGHT, resolution=3, **options),
    "activations": lambda **options: plotting.activations(ReLU(), **options),
    "scalar_graph": lambda **options: plotting.scalar_graph(Value(2.0) * Value(3.0) + 1.0, **options),
    "History.plot": lambda **options: a_history([2.0, 1.0]).plot(**options),
    "Value.draw": lambda **options: (Value(2.0) * Value(3.0)).draw(**options),
}
each_picture = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


def test_every_public_picture_is_here():
    assert set(plotting.__all__) - set(DRAW) == {"animate_frontier"}  # it draws into a film


@each_picture
def test_axes_and_file_are_given_by_name(draw, tmp_path):
    figure = Figure()
    assert draw(ax=figure.subplots(), path=tmp_path / "a.png") is figure
    assert (tmp_path / "a.png").stat().st_size > 1000
    for function in (getattr(plotting, name) for name in plotting.__all__ if name != "animate_frontier"):
        given = inspect.signature(function).parameters
        assert all(given[name].kind is given[name].KEYWORD_ONLY and given[name].default is None for name in ("ax", "path"))


@each_picture
def test_pictures_are_drawn_into_the_axes_given(draw):
    figure = Figure()
    ax = figure.subplots()
    assert draw(ax=ax) is figure
    assert ax.has_data() or ax.texts


@each_picture
@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pictures_are_saved_in_the_format_of_the_ending(draw, ending, start, tmp_path):
    draw(path=tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)


def test_an_unknown_ending_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(ValueError, match=r"^modnet\.plotting: path is '.*a\.xyz', expected one of the extensions .*png"):
        plotting.predictions([1.0, 2.0], [1.0, 3.0], path=tmp_path / "a.xyz")
    assert not list(tmp_path.iterdir())


def test_axes_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"^modnet\.plotting: ax is 3, expected matplotlib Axes$"):
        plotting.predictions([1.0, 2.0], [1.0, 3.0], ax=3)


def test_the_style_of_pictures_does_not_leak():
    before = dict(matplotlib.rcParams)
    for draw in DRAW.values():
        draw()
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_neither_imported_nor_filled(tmp_path):
    code = """
import sys
import modnet.plotting as p
assert not any(name.startswith(("matplotlib", "sklearn")) for name in sys.modules)
p.predictions([1.0, 2.0], [1.0, 3.0], path=sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
matplotlib.use("agg")
from matplotlib import pyplot
p.predictions([1.0, 2.0], [1.0, 3.0])
assert pyplot.get_fignums() == []
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True)


def test_a_figure_of_a_program_with_windows_is_pyplots():
    code = """
from matplotlib import pyplot
import matplotlib
import modnet.plotting as p
matplotlib.get_backend = lambda: "TkAgg"  # as on a desktop
pyplot.switch_backend("agg")
p.predictions([1.0, 2.0], [1.0, 3.0])
assert pyplot.get_fignums() == [1]
try:
    p.activations(p)
except AttributeError:
    pass
assert pyplot.get_fignums() == [1], "half a picture is not shown"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_attribute_of_the_module_is_the_function():
    # Each file of the package has a name of its own, so that `plotting.history` stays the function.
    assert all(inspect.isfunction(getattr(plotting, name)) for name in plotting.__all__)


def test_a_dark_style_of_yours_does_not_hide_the_ink():
    with matplotlib.style.context("dark_background"):
        figure = plotting.predictions([1.0, 2.0], [1.0, 3.0])
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert figure.axes[0].get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_figures_can_be_pickled():
    figure = pickle.loads(pickle.dumps(plotting.predictions([1.0, 2.0], [1.0, 3.0])))
    assert figure.axes[0].get_xlabel() == "truth"
