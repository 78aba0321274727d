"""A network with all that belongs to it: how cells become its inputs, and its outputs a prediction in words."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from modnet.tables.encoder import TableEncoder
from modnet.tables.reading import Sheet
from modnet.tables.storing import read_model, write_model
from modnet.tables.target import Target
from modnet.training import predict


class TableModel:
    """Predictions for a table from a network.

    Parameters
    ----------
    net : scores of classes, or one number. encoder : how cells become numbers. target : what is predicted.
    mean, scale : (inputs,), the network's input is (number - mean) / scale. y_mean, y_scale : its output, back to the target.
    """

    def __init__(
        self, net: Any, encoder: TableEncoder, target: Target, mean: np.ndarray, scale: np.ndarray, y_mean: float, y_scale: float
    ) -> None:
        self.net, self.encoder, self.target = net, encoder, target
        self.mean, self.scale, self.y_mean, self.y_scale = mean, scale, y_mean, y_scale

    def outputs(self, sheet: Sheet) -> np.ndarray:
        """Scores (n, classes), or predictions (n, 1) in the target's unit. Adds notes on cells to the table's."""
        X = self.encoder.transform(sheet, sheet.notes)
        with np.errstate(over="ignore"):
            inputs = ((X - self.mean) / self.scale).astype(self.net.dtype)
        if not np.isfinite(inputs).all():
            row, column = np.argwhere(~np.isfinite(inputs))[0]
            raise ValueError(
                f"{sheet.path}, line {sheet.lines[row]}: {self.encoder.feature_names[column]!r} is {X[row, column]:g}, too large "
                f"for {self.net.dtype}"
            )
        out = predict(self.net, inputs)
        return out if self.target.class_names is not None else self.y_mean + self.y_scale * out.astype(np.float64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything into one file, which `load` reads and which runs nothing."""
        described, arrays = self.encoder.describe()
        description = {
            "inputs": described,
            "target": {"name": self.target.name, "class_names": self.target.class_names},
            "y_mean": self.y_mean,
            "y_scale": self.y_scale,
        }
        write_model(path, description, {**arrays, "mean": self.mean, "scale": self.scale}, self.net)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """What `save` wrote; ValueError for a file that is damaged or something else."""
        description, arrays, net = read_model(path)
        try:
            encoder = TableEncoder.from_description(description["inputs"], arrays)
            named = description["target"]["class_names"]
            target = Target(str(description["target"]["name"]), None if named is None else [str(name) for name in named])
            mean, scale = arrays["mean"].astype(np.float64), arrays["scale"].astype(np.float64)
            numbers = float(description["y_mean"]), float(description["y_scale"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no whole model ({error}), expected a file that `train --save` wrote") from None
        widths = {len(encoder.feature_names), len(mean), len(scale), net[0].in_features}
        outputs = 1 if target.class_names is None else len(target.class_names)
        if len(widths) != 1 or net[-1].out_features != outputs:
            raise ValueError(f"{path} is no whole model: its parts do not fit each other")
        return cls(net, encoder, target, mean, scale, *numbers)


__all__ = ["TableModel"]
