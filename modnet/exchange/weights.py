"""Weights of other libraries, which lay arrays out in another way.

PyTorch keeps a linear weight as (out, in), channels first, and the window last: a Conv2D's (kh, kw, in, out) is (out, in, kh,
kw) there. Behind a Flatten its features come channel by channel, ours pixel by pixel, so that the weights of the next layers
are in another order, too. Keras lays out as modnet does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modnet import modules as m
from modnet.engine import run
from modnet.engine.program import is_ours
from modnet.engine.state import load_state_arrays, state_arrays
from modnet.engine.storage import has_storage
from modnet.inputs import as_numbers, example_shape, short_repr

#: How PyTorch has the axes of our weights: its axis d is our axis order[d].
_WINDOWS = {m.Conv1D: (2, 1, 0), m.Conv2D: (3, 2, 0, 1), m.ConvTranspose1D: (2, 1, 0), m.ConvTranspose2D: (3, 2, 0, 1)}


class _Layout:
    """How PyTorch has one of a network's arrays: axes in another order, and features, too."""

    def __init__(self, array: np.ndarray, axes: tuple[int, ...] | None = None, features: np.ndarray | None = None) -> None:
        self.array, self.axes, self.features = array, axes, features

    def theirs(self) -> np.ndarray:
        """The array as PyTorch has it, a copy."""
        found = self.array if self.features is None else self.array[self.features]
        return np.array(found if self.axes is None else found.transpose(self.axes), order="C")

    def ours(self, theirs: np.ndarray, name: str) -> np.ndarray:
        """PyTorch's array as the network has it."""
        expected = self.array.shape if self.axes is None else tuple(self.array.shape[axis] for axis in self.axes)
        if theirs.shape != expected:
            raise ValueError(f"from_pytorch: {name} has shape {theirs.shape}, expected {expected}")
        found = theirs if self.axes is None else theirs.transpose(np.argsort(self.axes))
        if self.features is None:
            return found
        placed = np.empty_like(found)
        placed[self.features] = found
        return placed


def to_pytorch(net: Any, input_shape: Any = None) -> dict[str, np.ndarray]:
    """A network's arrays as the state_dict of the same network in PyTorch: ``load_state_dict({k: torch.tensor(v) ...})``.

    Parameters
    ----------
    net : a network of the library's modules. In PyTorch it is an `nn.Sequential` with a module at each of its places.
    input_shape : of one example, without the batch, channels last: needed if the network has a Flatten.

    Returns
    -------
    state : arrays by name, such as "0.weight", in PyTorch's layouts.
    """
    found = {}
    for name, layout in _layouts(net, input_shape, "to_pytorch").items():
        found[name] = layout.theirs()
        if name.rpartition(".")[2] == "running_var":
            found[f"{name.removesuffix('running_var')}num_batches_tracked"] = np.array(0)
    return found


def from_pytorch(net: Any, state: Mapping[str, Any], input_shape: Any = None) -> Any:
    """Take the arrays of a PyTorch state_dict: all or, on an error, none. Returns the network.

    Parameters
    ----------
    net : a network built as PyTorch's is. state : arrays or tensors by name, in PyTorch's layouts.
    input_shape : as in `to_pytorch`.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"from_pytorch: state is {short_repr(state)}, expected arrays by name: theirs.state_dict()")
    layouts = _layouts(net, input_shape, "from_pytorch")
    given = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    unknown = [name for name in given if name not in layouts]
    missing = [name for name in layouts if name not in given]
    if unknown or missing:
        parts = [f"lacks {', '.join(missing[:3])}"] if missing else []
        parts += [f"has {', '.join(unknown[:3])}, which the network has not"] if unknown else []
        raise ValueError(f"from_pytorch: the state {' and '.join(parts)}; expected the state of a network built alike")
    ours, own = {}, state_arrays(net)
    for name, layout in layouts.items():
        array = layout.ours(as_numbers(_array(given[name]), "from_pytorch", name, examples=False), name)
        if name in own:
            ours[name] = array
        elif not np.array_equal(array, _shared_weight(layout, given, layouts)):
            raise ValueError(f"from_pytorch: {name} differs from the weight that it shares, expected the same")
    load_state_arrays(net, ours, "from_pytorch")
    return net


def _shared_weight(layout: _Layout, given: Mapping[str, Any], layouts: Mapping[str, _Layout]) -> np.ndarray:
    """The weight that a Tied shares, as it is given for the module that has it; that module's own if it is not among them."""
    for name, other in layouts.items():
        if other is not layout and np.shares_memory(other.array, layout.array):
            return other.ours(np.asarray(_array(given[name])), name)
    return layout.array


def _array(value: Any) -> Any:
    """A tensor's numbers, wherever it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _layouts(net: Any, input_shape: Any, who: str) -> dict[str, _Layout]:
    """The arrays of a network by PyTorch's names, with their layouts there."""
    if not has_storage(net):
        raise TypeError(f"{who}: net is of class {type(net).__name__}, expected a network of the library's modules")
    orders = _orders(net, input_shape, who)
    found: dict[str, _Layout] = {}

    def visit(module: Any, place: str) -> None:
        if hasattr(module, "wire"):
            for i, part in enumerate(module):
                visit(part, f"{place}{i}.")
            return
        if not is_ours(module):
            raise TypeError(f"{who}: {place}: {type(module).__name__} is a class of your own, expected the library's modules")
        features = orders.get(id(module))
        for name, array in state_arrays(module).items():
            if name == "weight" and isinstance(module, m.Linear):
                found[place + name] = _Layout(array, (1, 0), features)
            elif name == "weight" and type(module) in _WINDOWS:
                found[place + name] = _Layout(array, _WINDOWS[type(module)])
            else:
                by_feature = array.ndim == 1 and isinstance(module, m.BatchNorm | m.LayerNorm)
                found[place + name] = _Layout(array, None, features if by_feature else None)
        if isinstance(module, m.Tied):
            found[f"{place}weight"] = _Layout(module.linear.weight, None)

    visit(net, "")
    return found


def _orders(net: Any, input_shape: Any, who: str) -> dict[int, np.ndarray]:
    """For modules whose features come from a Flatten: which of ours each of PyTorch's features is."""
    if not any(isinstance(leaf, m.Flatten) for leaf in net.leaves()):
        return {}
    if input_shape is None:
        raise ValueError(
            f"{who}: the network has a Flatten, behind which PyTorch has features in another order; pass input_shape, the "
            "shape of one example, such as (28, 28, 1)"
        )
    program = run.program_of(net, example_shape(input_shape, who), net.dtype)
    order: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}
    found = {}
    for row in program.rows:
        came = order.get((row.input.slot, row.input.shape))
        if isinstance(row.module, m.Flatten) and len(row.input.shape) > 1:
            sizes = row.input.shape
            places = np.arange(int(np.prod(sizes))).reshape(sizes)
            order[row.output.slot, row.output.shape] = np.moveaxis(places, -1, 0).reshape(-1)
        elif came is not None:
            if isinstance(row.module, m.Linear | m.BatchNorm | m.LayerNorm):
                found[id(row.module)] = came
            if row.output.shape == row.input.shape and not isinstance(row.module, m.Linear | m.Tied):
                order[row.output.slot, row.output.shape] = came
    return found


def save_safetensors(net: Any, path: Any, input_shape: Any = None) -> None:
    """Write what `to_pytorch` gives to a safetensors file. It needs safetensors: pip install modnet[exchange]."""
    _safetensors().save_file(to_pytorch(net, input_shape), os.fspath(path))


def load_safetensors(net: Any, path: Any, input_shape: Any = None) -> Any:
    """Take the arrays of a safetensors file that PyTorch or `save_safetensors` wrote. Returns the network."""
    return from_pytorch(net, _safetensors().load_file(os.fspath(path)), input_shape)


def _safetensors() -> Any:
    try:
        from safetensors import numpy as found
    except ImportError:
        raise ImportError("modnet.exchange: safetensors is missing: pip install modnet[exchange]") from None
    return found


def to_keras(net: Any) -> list[np.ndarray]:
    """A network's arrays in the order of Keras's ``set_weights``, layer by layer: kernel, bias; gamma, beta, mean, variance."""
    return [np.array(array) for _, array in _in_order(net, "to_keras")]


def from_keras(net: Any, weights: Sequence[Any]) -> Any:
    """Take what Keras's ``get_weights`` gave, of a network built alike: all or, on an error, none. Returns the network."""
    own = _in_order(net, "from_keras")
    if len(weights) != len(own):
        raise ValueError(f"from_keras: got {len(weights)} arrays, expected {len(own)}")
    load_state_arrays(net, {name: weight for (name, _), weight in zip(own, weights)}, "from_keras")
    return net


def _in_order(net: Any, who: str) -> list[tuple[str, np.ndarray]]:
    if not has_storage(net):
        raise TypeError(f"{who}: net is of class {type(net).__name__}, expected a network of the library's modules")
    return list(state_arrays(net).items())
