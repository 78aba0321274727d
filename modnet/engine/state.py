"""The arrays of a network by place: all that a prediction depends on, read and written back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.storage import has_storage, writing
from modnet.inputs import as_float32, as_numbers, short_repr


def state_arrays(module: Any) -> dict[str, np.ndarray]:
    """Views of parameters and state by name; in a network by place and name: "0.weight", "1.running_mean"."""
    if hasattr(module, "wire"):
        return {f"{i}.{name}": array for i, part in enumerate(module) for name, array in state_arrays(part).items()}
    if not has_storage(module):
        return {str(name): array for name, array in Foreign(module).named().items()}
    return {name: module.view(block, name) for block in ("parameters", "state") for name in module.pieces(block)}


def load_state_arrays(net: Any, arrays: Mapping[str, Any], who: str) -> None:
    """Write arrays that `state_arrays` gave, of a network built alike, into a network: all of them or, on an error, none.

    Raises
    ------
    ValueError : if one is missing, has another shape, or is not one of the network's.
    """
    if not isinstance(arrays, Mapping):
        raise TypeError(f"{who}: load_state_dict got {short_repr(arrays)}, expected the dict of arrays that state_dict() gave")
    own = state_arrays(net)
    missing, unknown = [n for n in own if n not in arrays], [n for n in arrays if n not in own]
    if missing or unknown:
        parts = [f"lacks {_some(missing)}"] if missing else []
        parts += [f"has {_some(unknown)}, which the network has not"] if unknown else []
        raise ValueError(f"{who}: the state {' and '.join(parts)}; expected the state of a network built alike")
    ready = {}
    for name, target in own.items():
        if not isinstance(target, np.ndarray):  # of a class of somebody else
            raise TypeError(f"{who}: {name} is of type {type(target).__name__}, expected an array that can be written to")
        array = as_numbers(arrays[name], who, name, examples=False)
        if array.shape != np.shape(target):
            raise ValueError(f"{who}: {name} has shape {array.shape}, expected {np.shape(target)}")
        ready[name] = as_float32(array, who, name) if target.dtype == np.float32 else array
    with writing(net, who):
        for name, target in own.items():
            target[...] = ready[name]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
