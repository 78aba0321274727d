"""A network with all that belongs to it: how cells become its inputs, and its outputs a prediction in words."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from modnet.persistence import FileError, archive
from modnet.persistence.describe import build, describe
from modnet.tables.columns import finite, finite_array
from modnet.tables.encoder import TableEncoder
from modnet.tables.reading import Sheet
from modnet.tables.target import Target
from modnet.training import predict

_KIND = "table model"


class TableModel:
    """Predictions for a table from a network.

    Parameters
    ----------
    net : scores of classes, or one number. encoder : how cells become numbers. target : what is predicted.
    mean, scale : (inputs,), the network's input is (number - mean) / scale. y_mean, y_scale : its output, back to the target.
    """

    def __init__(
        self, net: Any, encoder: TableEncoder, target: Target, mean: np.ndarray, scale: np.ndarray, y_mean: float = 0.0,
        y_scale: float = 1.0,
    ) -> None:  # fmt: skip
        self.net, self.encoder, self.target = net, encoder, target
        self.mean, self.scale, self.y_mean, self.y_scale = mean, scale, y_mean, y_scale

    def inputs(self, X: np.ndarray) -> np.ndarray:
        """From the table's units to the network's."""
        return np.asarray((X - self.mean) / self.scale)

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Classes as they are; numbers (n,) to predict from the target's unit to the network's, (n, 1)."""
        return y if self.is_classifier else np.asarray((y - self.y_mean) / self.y_scale)[:, np.newaxis]

    @property
    def is_classifier(self) -> bool:
        """Whether it predicts classes."""
        return self.target.class_names is not None

    def forward(self, X: Any) -> np.ndarray:
        """Scores (n, classes), or predictions (n, 1) in the target's unit, for inputs in the table's units."""
        return self._predict(self.inputs(np.asarray(X)))

    def _predict(self, inputs: np.ndarray) -> np.ndarray:
        out = np.asarray(predict(self.net, inputs))
        # Scores stay in the network's type, for which the kernels of the loss are compiled.
        return out if self.is_classifier else np.asarray(self.y_mean + self.y_scale * out.astype(np.float64))

    def outputs(self, sheet: Sheet) -> np.ndarray:
        """The same for a table. Adds notes on cells to the table's."""
        X = self.encoder.transform(sheet, sheet.notes)
        with np.errstate(over="ignore"):
            inputs = self.inputs(X).astype(self.net.dtype)
        if not np.isfinite(inputs).all():
            row, column = np.argwhere(~np.isfinite(inputs))[0]
            raise ValueError(
                f"{sheet.path}, line {sheet.lines[row]}: {self.encoder.feature_names[column]!r} is {X[row, column]:g}, too "
                f"large for {self.net.dtype}"
            )
        return self._predict(inputs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything into one file, which `load` reads and which runs nothing."""
        tree = {
            "net": describe(self.net),
            "inputs": self.encoder.describe(),
            "target": {"name": self.target.name, "class_names": self.target.class_names},
            "mean": self.mean, "scale": self.scale, "y_mean": self.y_mean, "y_scale": self.y_scale,
        }  # fmt: skip
        archive.write(path, _KIND, tree)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """What `save` wrote; `FileError`, a ValueError, for a file that is damaged or something else."""
        tree = archive.read(path, _KIND)
        try:
            net = build(tree["net"], [], str(path))
            encoder = TableEncoder.from_description(tree["inputs"])
            named = tree["target"]["class_names"]
            target = Target(str(tree["target"]["name"]), None if named is None else [str(name) for name in named])
            mean, scale = finite_array(tree["mean"]), finite_array(tree["scale"])
            numbers = finite(tree["y_mean"]), finite(tree["y_scale"])
            shapes = {(len(encoder.feature_names),), mean.shape, scale.shape, (net[0].in_features,)}
            outputs = net[-1].out_features
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
            raise FileError(f"{path}: holds no model of a table that can be built ({error})") from None
        if len(shapes) != 1 or (scale == 0).any() or outputs != (1 if target.class_names is None else len(target.class_names)):
            raise FileError(f"{path}: the parts of the model do not fit each other")
        return cls(net, encoder, target, mean, scale, *numbers)


__all__ = ["TableModel"]
