"""Pictures: curves of a training, frontiers, confusion, activations, error surfaces, what flows through a network.

Every function draws into a new figure, or into ``ax`` if you give axes of yours; saves the picture if you give ``path``, the
first argument after the data (the extension is the format: .png, .pdf, .svg, ...); writes ``title`` above it instead of its
own; and returns the matplotlib ``Figure``. matplotlib is imported by the first picture.

In a notebook each picture appears once: where the cell ends, or at ``pyplot.show()``, also for pictures made in a loop. In
a program nothing pops up; if the program uses pyplot and pyplot has windows, ``pyplot.show()`` shows the picture.

Pictures of your own look the same with `subplots`, in the context `style()`, or in a whole script after `use_style()`;
`save` writes them.
"""

from modnet.plotting.codings import codes
from modnet.plotting.curves import curves, history
from modnet.plotting.descents import path
from modnet.plotting.diagrams import network
from modnet.plotting.figures import new_figure as new_figure
from modnet.plotting.figures import save, style, subplots, use_style
from modnet.plotting.films import Film, animate_frontier
from modnet.plotting.frontiers import frontier
from modnet.plotting.functions import activations
from modnet.plotting.functions import elementwise as elementwise
from modnet.plotting.graphs import scalar_graph
from modnet.plotting.images import filters, reconstructions
from modnet.plotting.layers_over_time import layers
from modnet.plotting.matrices import confusion
from modnet.plotting.parts import shorten as shorten
from modnet.plotting.scatters import predictions
from modnet.plotting.surfaces import error_surface

__all__ = [
    "Film",
    "activations",
    "animate_frontier",
    "codes",
    "confusion",
    "curves",
    "error_surface",
    "filters",
    "frontier",
    "history",
    "layers",
    "network",
    "path",
    "predictions",
    "reconstructions",
    "save",
    "scalar_graph",
    "style",
    "subplots",
    "use_style",
]
