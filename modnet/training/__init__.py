"""Training: fit and what belongs to it, restarts, pretraining, weights of examples."""

from modnet.training.fit import fit, predict
from modnet.training.history import History
from modnet.training.training import Callback, Training, TrainingWarning

__all__ = ["Callback", "History", "Training", "TrainingWarning", "fit", "predict"]
