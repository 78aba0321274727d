"""The statement's layers. Each remembers its last call by hand, for a network of somebody's own that reads it there."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from modnet import modules
from modnet.handout.losses import if_last
from modnet.kernels.operation import Operation
from modnet.module import Shape, with_drawn_parameters

# --- what a layer remembers ------------------------------------------------------------------------------------------

#: Of each layer that was called by hand: what went in, what came out, and the delta that came back. Copies do not have it.
_LAST: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


class _Last:
    """A read-only attribute: what a layer remembers under this name; None before the first call."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else _LAST.get(module, {}).get(self.name)


def _is_last_example(module: Any, input: Any) -> bool:
    """Whether an input is the last row of an array of several, and the module was not given another row of it just before."""
    whole = getattr(input, "base", None)
    if not isinstance(whole, np.ndarray) or whole.shape[1:] != input.shape or len(whole) < 2:
        return False
    start, end = input.__array_interface__["data"][0], whole[-1:].__array_interface__["data"][0]
    return start == end and getattr(_LAST.get(module, {}).get("input"), "base", None) is not whole


def _remembering(inherited: Operation, *names: str) -> Operation:
    """The same operation, by the same machine code; called as a method, it leaves what came out and what went in.

    Parameters
    ----------
    inherited : the operation. names : under which the result, and the first argument, are remembered.
    """
    plain, name = inherited.method, inherited.name

    @functools.wraps(plain)
    def method(module: Any, input: Any, *rest: Any) -> Any:
        if input is None:
            raise TypeError(
                f"{module}: {name} was given None for the input. It needs what forward was given; a network that "
                "reads it from the layer finds it in layer._input, and the layer's output in layer._forward, after a forward "
                "by hand"
            )
        last = _is_last_example(module, input)
        try:
            out = plain(module, input, *rest)
        except ValueError as error:
            if last or np.ndim(input) == 1:
                raise ValueError(f"{error}. {if_last('input')}") from None
            raise
        if last:
            text = f"{module}: {name} was given one example, the last of {len(input.base)}. {if_last('it')}"
            warnings.warn(text, stacklevel=2)
        _LAST.setdefault(module, {}).update(zip(names, (out, input), strict=False))
        return out

    found = Operation.__new__(Operation)
    vars(found).update(vars(inherited), method=method, remembers=True)
    return found


class _Layer:
    """A base class beside a module of the library: what the statement's layers have beside the library's.

    Attributes
    ----------
    _input, _forward : what the last forward by hand was given, and what it returned.
    _delta : what backward_delta returned last.
    """

    #: Arguments of the constructor that attributes of other names keep.
    argument_attributes: ClassVar[dict[str, str]] = {}
    operations: tuple[Operation | None, ...]
    _input, _forward, _delta = _Last("input"), _Last("forward"), _Last("delta")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        kept = {"forward": ("forward", "input"), "backward_delta": ("delta",), "backward_update_gradient": ()}
        for name, names in kept.items():
            found = getattr(cls, name)
            if isinstance(found, Operation) and not hasattr(found, "remembers"):
                setattr(cls, name, _remembering(found, *names))
        cls.operations = tuple(getattr(cls, o.name) if isinstance(o, Operation) else o for o in cls.operations)


def also_named(**names: str) -> Callable[[Any], Any]:
    """Decorator: a function also takes its arguments under other names: ``bias="biais"``, several parted by blanks."""
    known = {other: name for name, others in names.items() for other in others.split()}

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def called(*arguments: Any, **given: Any) -> Any:
            for other in [n for n in given if n in known]:
                if known[other] in given:
                    raise TypeError(f"{function.__qualname__}: {other} and {known[other]} are the same, expected one of them")
                given[known[other]] = given.pop(other)
            return function(*arguments, **given)

        return called

    return decorate


# --- layers ----------------------------------------------------------------------------------------------------------


def _also_called(name: str) -> property:
    """``_parameters`` or ``_gradient`` of the statement's shape: the weight or its gradient, by another name."""
    return property(attrgetter(name), lambda module, value: setattr(module, name, value))


class Linear(_Layer, modules.Linear):
    """(batch, input) -> (batch, output): X W, plus b if asked for.

    Parameters
    ----------
    input, output : features before and after.
    bias : whether to add a bias (biais).

    Attributes
    ----------
    _parameters, _gradient : W and its gradient, (input, output), always.
    bias, bias_gradient : (output,); None without a bias. ``zero_grad`` and ``update_parameters`` serve W and b both.
    parameters, gradient : W then b in one flat vector, which is what the library's optimizers move.

    Notes
    -----
    Both are drawn in (-1, 1) from numpy's global generator, W first, so that a seed gives the same W with a bias and without.

    Example
    -------
    >>> layer = Linear(3, 2)
    >>> layer._parameters.shape
    (3, 2)
    """

    argument_attributes: ClassVar[dict[str, str]] = {"input": "in_features", "output": "out_features"}
    _parameters = _also_called("weight")
    _gradient = _also_called("weight_gradient")

    @also_named(input="input_dim input_size", output="output_dim output_size", bias="biais")
    def __init__(self, input: int, output: int, bias: bool = False) -> None:
        super().__init__(input, output, bias=bias, rng=0)
        for array in self.named_parameters().values():
            array[...] = np.random.uniform(-1, 1, array.shape)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        """Layers with input shapes, for the library's checks."""
        return with_drawn_parameters([(cls(3, 2), (4, 3)), (cls(5, 1, bias=True), (1, 5)), (cls(2, 3), (2, 3, 2))])


class Conv1D(_Layer, modules.Conv1D):
    """A window of weights slid along a signal (convolution), without a bias unless asked for.

    Parameters
    ----------
    k_size : length of the window.
    chan_in, chan_out : channels of the signal (canaux), before and after.
    stride : how far the window moves. bias : whether to add a bias (biais) to each output channel; it begins at 0.

    Attributes
    ----------
    _parameters, _gradient : W and its gradient, (k_size, chan_in, chan_out). parameters, gradient : the same, flat.

    Shape
    -----
    (batch, length, chan_in) -> (batch, (length - k_size) // stride + 1, chan_out)

    Digits of 256 pixels, (batch, 256), are signals of one channel as ``X[..., None]``.

    Notes
    -----
    Drawn in (-0.1, 0.1) from numpy's global generator.

    Example
    -------
    >>> layer = Conv1D(3, 1, 32)
    >>> layer._parameters.shape, layer.forward([[[0.0]] * 256]).shape
    ((3, 1, 32), (1, 254, 32))
    """

    _parameters = _also_called("weight")
    _gradient = _also_called("weight_gradient")

    @also_named(k_size="kernel_size", chan_in="in_channels", chan_out="out_channels", bias="biais")
    def __init__(self, k_size: int, chan_in: int, chan_out: int, stride: int = 1, bias: bool = False) -> None:
        super().__init__(k_size, chan_in, chan_out, stride, bias=bias, rng=0)
        self._parameters = 0.1 * np.random.uniform(-1, 1, (self.k_size, self.in_features, self.out_features))

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        """Layers with input shapes, for the library's checks."""
        return with_drawn_parameters([(cls(3, 1, 2), (2, 6, 1)), (cls(2, 3, 4, 2), (3, 7, 3)), (cls(4, 2, 3, 3), (1, 9, 2))])


class TanH(_Layer, modules.Tanh):
    """The hyperbolic tangent, element by element.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> TanH().forward([[0.0]])
    array([[0.]])
    """


class Sigmoide(_Layer, modules.Sigmoid):
    """1 / (1 + exp(-x)), element by element.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Sigmoide().forward([[0.0]])
    array([[0.5]])
    """


class ReLU(_Layer, modules.ReLU):
    """max(0, x), element by element; 0 at 0.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> ReLU().forward([[-1.0, 2.0]])
    array([[0., 2.]])
    """


class Softmax(_Layer, modules.Softmax):
    """exp(x) divided by its sum over the last axis.

    Shape
    -----
    (..., classes) -> the same

    Example
    -------
    >>> Softmax().forward([[0.0, 0.0]])
    array([[0.5, 0.5]])
    """


class LogSoftmax(_Layer, modules.LogSoftmax):
    """The logarithm of `Softmax`, exact at any size.

    Shape
    -----
    (..., classes) -> the same

    Example
    -------
    >>> LogSoftmax().forward([[1000.0, 0.0]])
    array([[    0., -1000.]])
    """


class Flatten(_Layer, modules.Flatten):
    """All axes of an example in one.

    Shape
    -----
    (batch, length, chan) -> (batch, length * chan)

    Example
    -------
    >>> Flatten().forward([[[1.0, 2.0], [3.0, 4.0]]])
    array([[1., 2., 3., 4.]])
    """


class MaxPool1D(_Layer, modules.MaxPool1D):
    """The largest number of each window and channel.

    Shape
    -----
    (batch, length, chan) -> (batch, (length - k_size) // stride + 1, chan)

    Example
    -------
    >>> MaxPool1D(2, 2).forward([[[1.0], [3.0], [2.0], [0.0]]])
    array([[[3.],
            [2.]]])
    """


class AvgPool1D(_Layer, modules.AvgPool1D):
    """The mean of each window and channel.

    Shape
    -----
    (batch, length, chan) -> (batch, (length - k_size) // stride + 1, chan)

    Example
    -------
    >>> AvgPool1D(2, 2).forward([[[1.0], [3.0], [2.0], [0.0]]])
    array([[[2.],
            [1.]]])
    """
