"""The file of a table's model: a zip with a JSON description and arrays. Reading it runs nothing that is in it."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from modnet.modules import Linear, Sequential
from modnet.plotting import elementwise

_FORMAT, _VERSION = "modnet table model", 1
_MOST_BYTES = 2**31  # unpacked, of one part


def write_model(path: str | os.PathLike[str], description: dict[str, Any], arrays: dict[str, np.ndarray], net: Any) -> None:
    """Write a model aside, and put it in the place of an old one once it is whole."""
    place = Path(path)
    layers = list(net)
    whole = {
        "format": _FORMAT, "version": _VERSION, **description,
        "net": {
            "sizes": [layers[0].in_features, *(layer.out_features for layer in layers if isinstance(layer, Linear))],
            "activations": [type(layer).__name__ for layer in layers if not isinstance(layer, Linear)],
            "dtype": str(net.dtype),
        },
    }  # fmt: skip
    handle, aside = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("model.json", json.dumps(whole, ensure_ascii=False, indent=1))
                for name, array in {**arrays, "net.parameters": net.parameters}.items():
                    content = io.BytesIO()
                    np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
                    archive.writestr(f"{name}.npy", content.getvalue())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, place)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray], Any]:
    """The description, the arrays and the network of a file; ValueError if it is damaged or no such file."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if any(part.file_size > _MOST_BYTES for part in parts):
                raise ValueError(f"{path} says that it holds more than 2 GB in one part, expected a model")
            description = json.loads(archive.read("model.json"))
            if description.get("format") != _FORMAT or description.get("version") != _VERSION:
                raise ValueError(f"{path} is no model of this version, expected one that `train --save` wrote")
            arrays = {
                part.filename.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(part)), allow_pickle=False
                )
                for part in parts
                if part.filename.endswith(".npy")
            }
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, UnicodeDecodeError, NotImplementedError, EOFError) as error:
        raise ValueError(f"{path} is no whole model ({error}), expected a file that `train --save` wrote") from None
    try:
        net = _net(description["net"], arrays.pop("net.parameters"))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{path} holds no network that can be built ({error})") from None
    return description, arrays, net


def _net(given: dict[str, Any], parameters: np.ndarray) -> Any:
    kinds, sizes = elementwise(), given["sizes"]
    if len(given["activations"]) != len(sizes) - 2:
        raise ValueError("layers and activations do not fit")
    if sum((n + 1) * m for n, m in zip(sizes[:-1], sizes[1:])) > parameters.size:  # before anything of that size is made
        raise ValueError("fewer parameters than its layers have")
    layers: list[Any] = []
    for k, (n, m) in enumerate(zip(sizes[:-1], sizes[1:])):
        layers.append(Linear(n, m, rng=0))
        if k < len(sizes) - 2:
            layers.append(kinds[given["activations"][k]]())
    net = Sequential(*layers).astype(given["dtype"])
    if net.parameters.shape != parameters.shape or not np.isfinite(parameters).all():
        raise ValueError(f"{parameters.shape} parameters for a network that has {net.parameters.shape}")
    net.parameters[:] = parameters
    return net


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


__all__ = ["read_model", "write_model"]
