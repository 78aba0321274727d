"""Pictures: curves of a training, frontiers, confusion, activations, error surfaces.

Every function draws into a new figure, or into ``ax`` if you give axes of yours; saves the picture if you give ``path``
(the extension is the format: .png, .pdf, .svg, ...); and returns the matplotlib ``Figure``. matplotlib is imported by the
first picture.

In a notebook each picture appears once: where the cell ends, or at ``pyplot.show()``, also for pictures made in a loop. In
a program nothing pops up; if the program uses pyplot and pyplot has windows, ``pyplot.show()`` shows the picture.
"""

from modnet.plotting.curves import history
from modnet.plotting.figures import new_figure as new_figure
from modnet.plotting.figures import save as save
from modnet.plotting.figures import shorten as shorten
from modnet.plotting.films import animate_frontier
from modnet.plotting.frontiers import frontier
from modnet.plotting.functions import activations
from modnet.plotting.functions import elementwise as elementwise
from modnet.plotting.graphs import scalar_graph
from modnet.plotting.matrices import confusion
from modnet.plotting.scatters import predictions
from modnet.plotting.surfaces import error_surface

__all__ = [
    "activations",
    "animate_frontier",
    "confusion",
    "error_surface",
    "frontier",
    "history",
    "predictions",
    "scalar_graph",
]
