"""Pictures: curves of a training, frontiers, confusion, activations, error surfaces, what flows through a network.

Every function draws into a new figure, or into ``ax`` if you give axes of yours; saves the picture if you give ``path``, the
first argument after the data (the extension is the format: .png, .pdf, .svg, ...); writes ``title`` above it instead of its
own; and returns the matplotlib ``Figure``. matplotlib is imported by the first picture.

In a notebook each picture appears once: where the cell ends, or at ``pyplot.show()``, also for pictures made in a loop. In
a program nothing pops up; if the program uses pyplot and pyplot has windows, ``pyplot.show()`` shows the picture.

Pictures of your own look the same with `subplots`, in the context `style()`, or in a whole script after `use_style()`;
`save` writes them.
"""

from modnet.hints import public
from modnet.plotting.codings import codes as codes
from modnet.plotting.curves import curves as curves
from modnet.plotting.curves import history as history
from modnet.plotting.descents import path as path
from modnet.plotting.diagrams import network as network
from modnet.plotting.figures import save as save
from modnet.plotting.figures import style as style
from modnet.plotting.figures import subplots as subplots
from modnet.plotting.figures import use_style as use_style
from modnet.plotting.films import Film as Film
from modnet.plotting.films import animate_frontier as animate_frontier
from modnet.plotting.frontiers import frontier as frontier
from modnet.plotting.functions import activations as activations
from modnet.plotting.graphs import scalar_graph as scalar_graph
from modnet.plotting.images import filters as filters
from modnet.plotting.images import reconstructions as reconstructions
from modnet.plotting.layers_over_time import layers as layers
from modnet.plotting.matrices import confusion as confusion
from modnet.plotting.scatters import predictions as predictions
from modnet.plotting.surfaces import error_surface as error_surface

__all__ = public(globals())
