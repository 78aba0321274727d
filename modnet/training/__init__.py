"""Training: fit and what belongs to it, evaluation, restarts, pretraining, weights of examples."""

from modnet.training.evaluating import evaluate
from modnet.training.fit import fit
from modnet.training.history import History
from modnet.training.predicting import predict
from modnet.training.training import Callback, Training, TrainingWarning

__all__ = ["Callback", "History", "Training", "TrainingWarning", "evaluate", "fit", "predict"]
