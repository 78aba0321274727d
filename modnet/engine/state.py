"""The arrays of a network by place: all that a prediction depends on, read and written back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.storage import has_storage
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
        raise ValueError(f"{who}: the state {' and '.join(parts)}; expected that of a network built alike")
    ready = {}
    for name, target in own.items():
        array = as_numbers(arrays[name], who, name)
        if array.shape != np.shape(target):
            raise ValueError(f"{who}: {name} has shape {array.shape}, expected {np.shape(target)}")
        ready[name] = as_float32(array, who, name) if target.dtype == np.float32 else array
    with net.storage.writing(who) if has_storage(net) else contextlib.nullcontext():
        for name, target in own.items():
            target[...] = ready[name]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def numbers_of(net: Any) -> dict[str, Any]:
    """All numbers of a network that its next answers depend on, in training too: arrays, settings, draws. Copies."""
    library = _library(net)
    return {
        "arrays": {name: np.array(array) for name, array in state_arrays(net).items()},
        "settings": [{name: getattr(m, name) for name in type(m).layout.settings} for m in library],
        "draws": [m.draws for m in library],
    }


def restore_numbers(net: Any, kept: Mapping[str, Any], who: str) -> None:
    """Write back what `numbers_of` gave for a network built alike. Settings are checked as if they were assigned."""
    library = _library(net)
    settings, draws = kept["settings"], kept["draws"]
    if len(settings) != len(library) or len(draws) != len(library):
        raise ValueError(f"{who}: holds the settings of {len(settings)} modules, expected {len(library)}")
    for module, values, drawn in zip(library, settings, draws):
        if set(values) != set(type(module).layout.settings) or len(drawn) != 2:
            raise ValueError(f"{who}: holds the settings {sorted(values)}, expected those of {module}")
    load_state_arrays(net, kept["arrays"], who)
    for module, values, drawn in zip(library, settings, draws):
        for name, value in values.items():
            type(module).layout.settings[name].write(module, value)
        module.draws = drawn


def _library(net: Any) -> list[Any]:
    """The library's leaves of a network, each once."""
    return list({id(m): m for m in _leaves(net) if has_storage(m)}.values())


def _leaves(net: Any) -> Iterator[Any]:
    yield from net.leaves() if hasattr(net, "leaves") else [net]
