"""Networks behind scikit-learn's interface: in pipelines, searches, calibration, and in place of its MLPs.

`NetClassifier` and `NetRegressor` take the arguments of `MLPClassifier` and `MLPRegressor`, so that a script runs with only the
import changed. `AutoEncoder` is a transformer.
"""

from typing import TYPE_CHECKING

from modnet.estimators.autoencoder import AutoEncoder
from modnet.estimators.classifier import NetClassifier
from modnet.estimators.regressor import NetRegressor
from modnet.estimators.scaling import ScaleWarning
from modnet.hints import names_of

if not TYPE_CHECKING:  # to a type checker it would give any name
    __getattr__ = names_of(__name__)

__all__ = ["AutoEncoder", "NetClassifier", "NetRegressor", "ScaleWarning"]
