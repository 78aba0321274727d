"""What modules with a sliding window share: the window, its checks, and the shapes that come of it.

There are (length + 2 padding - k_size) // stride + 1 windows along an axis; what is left over at the end is in none. A signal
(length, channels) is treated as an image of width 1; by pooling, as one of height 1. What kernels do with windows is in
`modnet.kernels.windows` and `modnet.kernels.pools`.
"""

from __future__ import annotations

from math import prod
from typing import Any

from modnet.initializers import initialize
from modnet.inputs import whole
from modnet.kernels import Fixed
from modnet.kernels.declare import LARGEST
from modnet.kernels.windows import Geometry
from modnet.module import Module, Shape, ShapeError, Size


class _PerAxis(Fixed[Any]):
    """A whole number for each axis: in 1-D an int, in 2-D a pair."""

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum

    def checked(self, module: Any, value: Any) -> Any:
        who = type(module).__name__
        if module.axes == 1:
            return whole(value, who, self.name, self.minimum, LARGEST)
        values = value if isinstance(value, tuple | list) else (value, value)
        if len(values) != 2:
            raise ValueError(f"{who}: {self.name} is {value!r}, expected an int or a pair")
        return tuple(whole(part, who, self.name, self.minimum, LARGEST) for part in values)


class Windowed(Module):
    """A module with a sliding window. A subclass says over how many `axes`, 1 or 2.

    Parameters
    ----------
    k_size, stride, padding : in 1-D an int, in 2-D an int or a pair, rows then columns.
    present : whether it has each of its optional parameters.

    Attributes
    ----------
    k_size, stride, padding : in 1-D an int, in 2-D a pair. Read-only.
    """

    axes: int
    k_size = _PerAxis(1)
    stride = _PerAxis(1)
    padding = _PerAxis(0)
    row_sizes = Geometry._fields

    def __init__(self, k_size: Any, stride: Any, padding: Any, **present: bool) -> None:
        self.k_size, self.stride, self.padding = k_size, stride, padding
        super().__init__(**present)

    @property
    def window(self) -> tuple[Shape, Shape, Shape]:
        """Size, stride and padding, each in rows and columns."""
        if self.axes == 2:
            return self.k_size, self.stride, self.padding
        return (self.k_size, 1), (self.stride, 1), (self.padding, 0)

    def image(self, input_shape: Shape, channels: int | None = None) -> Shape:
        """Height and width of an input (..., channels); a `ShapeError` if it has other axes or other channels."""
        if len(input_shape) == self.axes + 1 and channels in (None, input_shape[-1]):
            return input_shape[0], input_shape[1] if self.axes == 2 else 1
        if input_shape and input_shape[-1] == channels:
            raise ShapeError(self, input_shape, self.expected(channels), (-1,) * self.axes + (channels,))
        advice = ": the channels are the last axis, X[..., None] adds one" if len(input_shape) == self.axes else ""
        raise ShapeError(self, input_shape, self.expected(channels) + advice)

    def expected(self, channels: int | None, lengths: Any = ()) -> str:
        """The shape expected of an input, in words; lengths are the least ones."""
        names = ("length",) if self.axes == 1 else ("height", "width")
        named = [f"{name} of {least} or more" for name, least in zip(names, lengths)] or names
        return f"(batch, {', '.join(named)}, {channels or 'channels'})"

    def count_windows(self, input_shape: Shape, channels: int | None = None) -> Shape:
        """Rows and columns of windows; a `ShapeError` if not one fits."""
        image = self.image(input_shape, channels)
        settings = list(zip(*self.window))
        if any(length < 1 or length + 2 * p < k for length, (k, _, p) in zip(image, settings)):
            least = [max(1, k - 2 * p) for k, _, p in settings]
            raise ShapeError(self, input_shape, self.expected(channels, least) + ", so that a window fits in")
        return tuple((length + 2 * p - k) // s + 1 for length, (k, s, p) in zip(image, settings))

    def as_output(self, lengths: Shape, channels: int) -> Shape:
        """The shape of an output with these rows and columns."""
        return (*lengths[: self.axes], channels)

    def geometry(self, image: Shape, chan: int, windows: Shape, chan_out: int) -> Geometry:
        """The sizes for kernels."""
        (kh, kw), (sh, sw), (ph, pw) = self.window
        return Geometry(image[0], image[1], chan, kh, kw, sh, sw, ph, pw, windows[0], windows[1], chan_out)


class WeightedWindow(Windowed):
    """A window of weights that takes chan_in channels and gives chan_out. A subclass declares `weight` and `bias`."""

    bias: Any
    chan_in = Size()
    chan_out = Size()

    def __init__(
        self,
        k_size: Any,
        chan_in: int,
        chan_out: int,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
        rng: Any = None,
        init: Any = "uniform",
    ) -> None:
        self.chan_in, self.chan_out = chan_in, chan_out
        super().__init__(k_size, stride, padding, bias=bias)
        window = prod(self.window[0])
        initialize(self, init, rng, fan_in=window * self.chan_in, fan_out=window * self.chan_out)

    @property
    def k_rows(self) -> int:
        """Rows of the window."""
        return self.window[0][0]

    @property
    def k_columns(self) -> int:
        """Columns of the window."""
        return self.window[0][1]

    @property
    def in_features(self) -> int:
        """The same as chan_in."""
        return self.chan_in

    @property
    def out_features(self) -> int:
        """The same as chan_out."""
        return self.chan_out

    @property
    def features_taken(self) -> int:
        return self.chan_in

    @property
    def features_given(self) -> int:
        return self.chan_out
