"""Figures are made, styled and saved in one way."""

import inspect
import pickle
import subprocess
import sys
from functools import partial

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure
from pictures import CORNERS, RIGHT, a_history

from modnet import MSE, CrossEntropy, Linear, ReLU, Sequential, fit, plotting, predict
from modnet.optim import SGD
from modnet.scalar import Value
from modnet.watch import Norms


def a_net():
    return Sequential(Linear(2, 2, rng=0))


def a_training():
    norms, net = Norms(CORNERS, CORNERS), a_net()
    fit(net, CORNERS, CORNERS, loss=MSE(), optimizer=SGD(0.1), epochs=2, rng=0, callbacks=[norms])
    return norms


IMAGES = np.random.default_rng(0).uniform(size=(3, 9))
AXES = {"layers": 3}  # how many of them a picture needs, if not one

# What draws: the function, with its data given.
DRAW = {
    "history": partial(plotting.history, a_history([2.0, 1.0])),
    "frontier": partial(plotting.frontier, a_net(), CORNERS, RIGHT),
    "confusion": partial(plotting.confusion, RIGHT, predict(a_net(), CORNERS)),
    "predictions": partial(plotting.predictions, [1.0, 2.0], [1.0, 3.0]),
    "error_surface": partial(plotting.error_surface, a_net(), CrossEntropy(), CORNERS, RIGHT, resolution=3),
    "activations": partial(plotting.activations, ReLU()),
    "scalar_graph": partial(plotting.scalar_graph, Value(2.0) * Value(3.0) + 1.0),
    "curves": partial(plotting.curves, {"a": [3.0, 2.0, 1.0]}),
    "path": partial(plotting.path, lambda x: x * x, [2.0, 1.0, 0.5]),
    "layers": partial(plotting.layers, a_training()),
    "reconstructions": partial(plotting.reconstructions, IMAGES, IMAGES),
    "filters": partial(plotting.filters, Linear(9, 4, rng=0)),
    "codes": partial(plotting.codes, CORNERS, RIGHT),
    "network": partial(plotting.network, a_net(), [1.0, -1.0], y=1, loss=CrossEntropy()),
    "History.plot": a_history([2.0, 1.0]).plot,
    "Value.draw": (Value(2.0) * Value(3.0)).draw,
    "Norms.plot": a_training().plot,
}
each_picture = pytest.mark.parametrize("name", DRAW)
OTHERS = {"animate_frontier", "Film", "save", "style", "subplots", "use_style"}  # films and tools


def axes_for(figure, name):
    return figure.subplots(1, AXES.get(name.lower().replace("norms.plot", "layers"), 1))


def test_every_public_picture_is_here():
    assert set(plotting.__all__) - set(DRAW) == OTHERS


@each_picture
def test_the_first_argument_after_the_data_is_the_file(name, tmp_path):
    figure = DRAW[name](str(tmp_path / "a.png"))
    assert isinstance(figure, Figure)
    assert (tmp_path / "a.png").stat().st_size > 1000


@each_picture
def test_axes_file_and_title_are_given_by_name(name, tmp_path):
    figure = Figure()
    assert DRAW[name](ax=axes_for(figure, name), path=tmp_path / "a.png", title="mine") is figure
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert figure.axes[0].get_title(loc="left") == "mine"
    assert DRAW[name](title="mine").get_suptitle() == "mine"


@each_picture
def test_a_new_figure_says_what_it_shows_and_axes_of_yours_keep_their_title(name):
    assert len(DRAW[name]().get_suptitle()) > 8
    figure = Figure()
    axes = axes_for(figure, name)
    DRAW[name](ax=axes)
    assert figure.get_suptitle() == ""


def test_signatures_are_alike():
    for function in (getattr(plotting, name) for name in set(plotting.__all__) - OTHERS):
        given = inspect.signature(function).parameters
        assert [given[name].default for name in ("path", "ax", "title")] == [None] * 3, function
        assert all(given[name].kind is given[name].KEYWORD_ONLY for name in ("ax", "title")), function


def test_what_is_no_file_is_refused_with_advice():
    with pytest.raises(TypeError, match=r"path is .*, expected a file such as 'picture\.png'; axes of yours are ax=\.\.\.$"):
        a_history([1.0]).plot(Figure().subplots())
    with pytest.raises(TypeError, match=r"ax is 'a\.png', expected matplotlib Axes; a file to save to is path=\.\.\.$"):
        a_history([1.0]).plot(ax="a.png")
    with pytest.raises(TypeError, match=r"path is \['a', 'b'\], .* names of classes are class_names=\.\.\.$"):
        plotting.confusion([0, 1], [0, 1], ["a", "b"])
    with pytest.raises(TypeError, match="got two files"):
        plotting.activations(ReLU(), "a.png", path="b.png")


def test_figures_of_your_own_have_the_library_s_look():
    figure, axes = plotting.subplots(2, 3, title="six")
    assert axes.shape == (2, 3)
    assert figure.get_suptitle() == "six"
    assert plotting.subplots(1, 2)[1].shape == (2,)
    assert plotting.subplots(2, 1)[1].shape == (2,)
    before = matplotlib.rcParams["font.size"]
    with plotting.style():
        assert matplotlib.rcParams["axes.prop_cycle"].by_key()["color"][0] == "#0072B2"
    assert matplotlib.rcParams["font.size"] == before
    with matplotlib.rc_context():
        plotting.use_style()
        assert matplotlib.rcParams["axes.prop_cycle"].by_key()["color"][0] == "#0072B2"


@each_picture
def test_pictures_are_drawn_into_the_axes_given(name):
    figure = Figure()
    axes = axes_for(figure, name)
    assert DRAW[name](ax=axes) is figure
    assert all(ax.has_data() or ax.texts for ax in np.ravel(axes))


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pictures_are_saved_in_the_format_of_the_ending(ending, start, tmp_path):
    DRAW["predictions"](tmp_path / f"a.{ending}")
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
    assert all(inspect.isfunction(getattr(plotting, name)) for name in set(plotting.__all__) - {"Film"})


def test_a_dark_style_of_yours_does_not_hide_the_ink():
    with matplotlib.style.context("dark_background"):
        figure = plotting.predictions([1.0, 2.0], [1.0, 3.0])
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert figure.axes[0].get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_figures_can_be_pickled():
    figure = pickle.loads(pickle.dumps(plotting.predictions([1.0, 2.0], [1.0, 3.0])))
    assert figure.axes[0].get_xlabel() == "truth"
