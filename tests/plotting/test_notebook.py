"""In a fresh Jupyter kernel every picture appears once, and a training is one line."""

import os

import pytest

pytest.importorskip("ipykernel")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

pytestmark = pytest.mark.slow

START = """
import numpy as np
from modnet import MSE, History, Linear, Sequential, fit, plotting
from modnet.optim import SGD
h = History()
h.loss = [2.0, 1.0]
"""
# A cell, and how many pictures it shows.
CELLS = {
    "h.plot()": 1,
    "x = h.plot()": 1,
    "for _ in range(3):\n    h.plot()": 3,
    "plotting.predictions([1.0, 2.0], [1.0, 3.0])": 1,
    "h.plot(); 1": 1,
    "first = h.plot()\nh.plot()": 2,
    "try:\n    h.plot(path='a.nothing')\nexcept ValueError:\n    pass": 0,
    "first": 1,  # shown again on demand
    "from IPython.display import display\ndisplay(first)": 1,
    "x = h.plot()\ndisplay(x)": 1,
    "from modnet.scalar import Value\n(Value(2.0) * Value(3.0)).draw()": 1,
    "import matplotlib.pyplot as plt\nx = h.plot()\nplt.show()": 1,
    "h.plot()\nplt.show()": 1,
    "for _ in range(2):\n    h.plot()\n    plt.show()": 2,
    "fig, ax = plt.subplots()\nplotting.history(h, ax=ax)": 1,
    "from modnet.handout import plot_data\nplot_data([[0.0, 1.0], [1.0, 0.0]], [0, 1])": 1,
    "plt.plot([1, 2])": 1,  # pictures that are not ours are as ever
    "plt.get_fignums()": 0,
    "%matplotlib inline\nh.plot()": 1,
    "%config InlineBackend.figure_formats = ['png', 'svg']\nh.plot()": 1,
}


def run(cells, monkeypatch, tmp_path):
    """The outputs of cells, run one after the other in a fresh kernel."""
    for name in ("MPLBACKEND", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "python3", "language": "python"}
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return [cell.outputs for cell in notebook.cells]


def pictures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


def text(outputs, stream):
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == stream)


# nbclient and its kernel leave sockets and loops to the garbage collector.
@pytest.mark.filterwarnings("default::ResourceWarning", "default::DeprecationWarning", "default::pytest.PytestWarning")
def test_every_picture_appears_once(monkeypatch, tmp_path):
    outputs = run([START, *CELLS], monkeypatch, tmp_path)[1:]
    assert {cell: pictures(found) for cell, found in zip(CELLS, outputs, strict=True)} == CELLS
    assert "".join(text(found, "stderr") for found in outputs) == ""


@pytest.mark.filterwarnings("default::ResourceWarning", "default::DeprecationWarning", "default::pytest.PytestWarning")
def test_a_training_is_one_line_and_nothing_in_red(monkeypatch, tmp_path):
    training = """
net = Sequential(Linear(2, 3, rng=0), Linear(3, 1, rng=0))
X = np.random.default_rng(0).normal(size=(200, 2))
h = fit(net, X, X[:, :1], loss=MSE(), optimizer=SGD(0.01), epochs=300, batch_size=10, rng=0)
"""
    diverging = """
import warnings
from modnet import watch
warnings.simplefilter("ignore")
locator = watch.NaNLocator(X, X[:, :1])
h = fit(net, X, X[:, :1], loss=MSE(), optimizer=SGD(1e9), epochs=30, batch_size=200, callbacks=[locator], progress=False)
"""
    film = """
from modnet import CrossEntropy
x = plotting.animate_frontier(
    Sequential(Linear(2, 2, rng=0)), X[:20], (X[:20, 0] > 0).astype(int), "f.gif", loss=CrossEntropy(),
    optimizer=SGD(0.1), epochs=4, progress=False,
)
"""
    cells = [START, training, "h.plot()", diverging, "print(locator.found)", "h.plot()", film]
    outputs = run(cells, monkeypatch, tmp_path)
    shown = text(outputs[1], "stdout")
    assert len([line for line in shown.split("\n") if line.strip()]) == 1, shown
    assert "epoch 300/300" in shown.rsplit("\r", 1)[-1]
    located = text(outputs[4], "stdout").strip()
    assert located != "None"
    assert located in text(outputs[3], "stdout")
    assert [pictures(found) for found in outputs] == [0, 0, 1, 0, 0, 1, 1]
    assert "".join(text(found, "stderr") for found in outputs) == ""


@pytest.mark.filterwarnings("default::ResourceWarning", "default::DeprecationWarning", "default::pytest.PytestWarning")
def test_a_backend_that_shows_nothing_still_lets_a_cell_end_with_a_picture(monkeypatch, tmp_path):
    choose = "import matplotlib\nmatplotlib.use('agg')"
    outputs = run([START, choose, "h.plot()", "x = h.plot()", "x"], monkeypatch, tmp_path)
    assert [pictures(found) for found in outputs] == [0, 0, 1, 0, 1]
