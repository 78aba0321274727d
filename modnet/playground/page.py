"""The page: what Panel and Bokeh show of a session, and the controls."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import ColorBar, ColumnDataSource, FixedTicker, LinearColorMapper, Range1d
from bokeh.palettes import Cividis256
from bokeh.plotting import figure

from modnet.playground import views
from modnet.playground.mistakes import MISTAKES
from modnet.playground.session import ACTIVATIONS, DATA, LOSSES, Session, Settings, optimizers
from modnet.plotting.parts import BLUE, COLORS, VERMILION

RATES = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
_TICK = 150  # milliseconds between two pictures
_MARKS = ("circle", "square", "triangle")


class Page:
    """One visitor's page: controls at the left, pictures in the middle, reports and code below."""

    def __init__(self) -> None:
        w = pn.widgets
        self.controls = {
            "data": w.Select(name="data set", options=list(DATA)),
            "depth": w.IntSlider(name="hidden layers", start=0, end=6, value=2),
            "width": w.IntSlider(name="units in each", start=1, end=12, value=6),
            "activation": w.Select(name="activation", options=list(ACTIVATIONS)),
            "loss": w.Select(name="loss", options=list(LOSSES)),
            "optimizer": w.Select(name="optimizer", options=optimizers(), value="Adam"),
            "lr": w.DiscreteSlider(name="learning rate", options=RATES, value=0.01),
            "batch_size": w.DiscreteSlider(name="batch size", options=[1, 8, 32, 200], value=32),
            "noise": w.FloatSlider(name="noise on the inputs", start=0, end=1, step=0.05),
            "dropout": w.FloatSlider(name="dropout", start=0, end=0.8, step=0.1),
            "weight_decay": w.DiscreteSlider(name="weight decay", options=[0.0, 0.001, 0.01, 0.1], value=0.0),
            "seed": w.IntInput(name="start (seed)", value=0, start=0, end=9999),
            "mistake": w.Select(name="break a gradient on purpose", options={"none": "", **{m: m for m in MISTAKES}}),
        }
        for control in self.controls.values():
            control.width = 230
            control.margin = (1, 4) if isinstance(control, w.DiscreteSlider) else (1, 8)  # its slider takes the margin again
            control.param.watch(self._restart, "value_throttled" if hasattr(control, "value_throttled") else "value")
        self.run = w.Toggle(name="train", button_type="primary", width=112, margin=(4, 4))
        self.again = w.Button(name="from the start", width=112, margin=(4, 4))
        self.check = w.Button(name="check the gradients", width=170)
        self.why = w.Button(name="why does it not learn?", width=170)
        self.copy = w.Button(name="copy the code", width=120)
        self.status = pn.pane.HTML("", styles={"font-size": "15px"}, height=26)
        self.report = pn.pane.Str(
            _EMPTY, styles=_TEXT, sizing_mode="stretch_width", min_height=150,
            stylesheets=["pre { white-space: pre-wrap; overflow-wrap: anywhere; }"],
        )  # fmt: skip
        self.code = w.TextAreaInput(
            name="the Python that does the same", rows=24, max_length=20000, sizing_mode="stretch_width",
            stylesheets=["textarea { font-family: monospace; font-size: 13px; }"],
        )  # fmt: skip
        self.copy.js_on_click(args={"area": self.code}, code="navigator.clipboard.writeText(area.value)")
        self.again.on_click(self._restart)
        self.check.on_click(lambda event: self._say(self.session.check_gradients))
        self.why.on_click(lambda event: self._say(self.session.ask_why))
        self.run.param.watch(self._rename, "value")
        self._next = 0.0  # when the next step of the training may begin
        self._make_figures()
        self._restart()

    def settings(self) -> Settings:
        """What the controls say."""
        value = {name: control.value for name, control in self.controls.items()}
        layers = (value.pop("width"),) * value.pop("depth")
        return Settings(layers=layers, **value)

    def view(self) -> Any:
        """The whole page."""
        left = pn.Column(
            pn.pane.HTML("<b style='font-size:20px'>modnet playground</b>"), pn.Row(self.run, self.again),
            *self.controls.values(), width=262,
        )  # fmt: skip
        pictures = pn.FlexBox(self.frontier, self.curves, self.units, self.back, sizing_mode="stretch_width")
        below = pn.Row(
            pn.Column(pn.Row(self.check, self.why), self.report, sizing_mode="stretch_width"),
            pn.Column(self.copy, self.code, sizing_mode="stretch_width"), sizing_mode="stretch_width",
        )  # fmt: skip
        return pn.Row(left, pn.Column(self.status, pictures, below, sizing_mode="stretch_width"), sizing_mode="stretch_width")

    def tick(self) -> None:
        """Train on, if the button is pressed, and draw."""
        start = time.monotonic()
        if not self.run.value or start < self._next:
            return
        self.session.advance()
        if self.session.stopped:
            self.run.value = False
        self._draw()
        end = time.monotonic()
        self._next = end + (end - start)  # as long for the browser and its clicks as for the training

    # --- what happens ------------------------------------------------------------------------------------------------

    def _restart(self, *events: Any) -> None:
        self.session = Session(self.settings())
        self.grid, self.ends = views.plane(self.session.X)
        x0, x1, y0, y1 = self.ends
        self.frontier.x_range.update(start=x0, end=x1)
        self.frontier.y_range.update(start=y0, end=y1)
        for c, source in enumerate(self.points):
            mine = self.session.X[self.session.y == c]
            source.data = {"x": mine[:, 0], "y": mine[:, 1]}
        self.report.object = _EMPTY
        self._draw()

    def _rename(self, event: Any) -> None:
        self.run.name = "pause" if event.new else "train"

    def _say(self, question: Any) -> None:
        self.report.object = "..."
        self.report.object = question()

    def _draw(self) -> None:
        s = self.session
        x0, x1, y0, y1 = self.ends
        box = {"x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}
        self.plane.data = {"image": [views.frontier_image(s.net, self.grid)], **box}
        epochs = np.arange(1, s.epochs + 1)
        self.training.data = {"x": epochs, "y": np.array(s.losses)}
        self.validation.data = {"x": epochs[: len(s.validation)], "y": np.array(s.validation)}
        image, rows = views.unit_images(s.net, self.grid)
        self.tiles.data = {"image": [image], "x": [0], "y": [0], "dw": [max(n for _, n in rows)], "dh": [len(rows)]}
        _name_rows(self.units, [name for name, _ in rows])
        sizes, norms = views.delta_images(s.net, s.loss, s.X, s.target)
        self.sizes.data = {"image": [sizes], "x": [0], "y": [0], "dw": [sizes.shape[1]], "dh": [len(sizes)]}
        _name_rows(self.back, [f"{name}  |delta| {norm:.1e}" for name, norm in norms])
        loss = f"{s.losses[-1]:.4f}" if s.losses else "-"
        ended = f" &mdash; <b>{s.stopped}</b>" if s.stopped else ""
        self.status.object = (
            f"epoch <b id='epoch'>{s.epochs}</b> &nbsp; loss <b id='loss'>{loss}</b> &nbsp; "
            f"<b id='right'>{s.share_right():.1%}</b> right on new examples{ended}"
        )
        self.code.value = s.code()

    def _make_figures(self) -> None:
        look: dict[str, Any] = {"tools": "", "toolbar_location": None, "width": 405, "height": 340}
        ends = {"x_range": Range1d(-1, 1), "y_range": Range1d(-1, 1)}
        names = {"x_axis_label": "x1", "y_axis_label": "x2"}
        self.frontier = figure(title="the class with the largest score", **names, **ends, **look)
        self.plane = ColumnDataSource({name: [] for name in _BOX})
        self.frontier.image_rgba("image", source=self.plane, **_PLACE)
        self.points = []
        for color, mark in zip(COLORS, _MARKS):
            source = ColumnDataSource({"x": [], "y": []})
            self.frontier.scatter("x", "y", source=source, size=7, color=color, line_color="white", line_width=0.6, marker=mark)
            self.points.append(source)
        self.curves = figure(title="loss by epoch", x_axis_label="epoch", y_axis_label="loss", **look)
        self.training, self.validation = ColumnDataSource({"x": [], "y": []}), ColumnDataSource({"x": [], "y": []})
        self.curves.line("x", "y", source=self.training, color=BLUE, line_width=2, legend_label="training")
        dashed = {"color": VERMILION, "line_width": 2, "line_dash": "dashed"}
        self.curves.line("x", "y", source=self.validation, legend_label="validation", **dashed)
        self.units = figure(title="each unit over the plane (blue is positive)", **look)
        self.tiles = ColumnDataSource({name: [] for name in _BOX})
        self.units.image_rgba("image", source=self.tiles, **_PLACE)
        self.back = figure(title="deltas back, by unit, log10", **look)
        self.sizes = ColumnDataSource({name: [] for name in _BOX})
        mapper = LinearColorMapper(palette=Cividis256, low=-8, high=0, nan_color="white")
        self.back.image("image", source=self.sizes, color_mapper=mapper, **_PLACE)
        self.back.add_layout(ColorBar(color_mapper=mapper, width=10, title=""), "right")
        for picture in (self.units, self.back):
            picture.grid.visible = picture.xaxis.visible = False


_EMPTY = "What the checker says of the gradients, and why a training does not learn: press a button."
_BOX = ("image", "x", "y", "dw", "dh")
_PLACE = {"x": "x", "y": "y", "dw": "dw", "dh": "dh"}
_TEXT = {
    "font-family": "monospace", "font-size": "13px", "background": "#f5f5f5", "padding": "8px",
}  # fmt: skip


def _name_rows(picture: Any, names: list[str]) -> None:
    """Rows of a picture by name, from below."""
    picture.yaxis.ticker = FixedTicker(ticks=[i + 0.5 for i in range(len(names))])
    picture.yaxis.major_label_overrides = {i + 0.5: name for i, name in enumerate(names)}


def make() -> Any:
    """The page of a new visitor, which trains as long as it is open."""
    page = Page()
    pn.state.add_periodic_callback(page.tick, period=_TICK)
    return page.view()


def serve(port: int = 0, show: bool = True) -> None:
    """Serve the page on this machine until Ctrl-C. Port 0 takes a free one."""
    pn.serve(make, port=port, address="127.0.0.1", show=show, title="modnet playground")
