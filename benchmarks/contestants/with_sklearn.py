"""scikit-learn's MLPClassifier and MLPRegressor, for reference.

Each draws its own first parameters, and the classifier has one output for two classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tasks import MOMENTUM, Contestant, Task


class MLP(Contestant):
    @classmethod
    def takes(cls, task: Task) -> bool:
        return task.sizes is not None and task.loss in ("cross-entropy", "mse")

    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        self.task, self.X, self.y = task, X, y
        warnings.simplefilter("ignore")  # that training ends before it has converged

    def reset(self) -> None:
        pass  # `train` begins anew

    def train(self, epochs: int) -> None:
        task, sizes = self.task, self.task.sizes or ()
        kind = MLPClassifier if task.loss == "cross-entropy" else MLPRegressor
        self.model = kind(
            hidden_layer_sizes=sizes[1:-1], activation=task.layers[1].kind, solver=task.optimizer, alpha=0.0,
            batch_size=task.batch, learning_rate_init=task.lr, max_iter=epochs, tol=0.0,
            n_iter_no_change=epochs + 1, random_state=3, momentum=MOMENTUM, nesterovs_momentum=False,
        ).fit(self.X, self.y)  # fmt: skip

    def parameters(self) -> list[np.ndarray]:
        found = [array for pair in zip(self.model.coefs_, self.model.intercepts_) for array in pair]
        if self.task.outputs == 2 and self.task.loss == "cross-entropy":  # a score s for class 1 is the scores (0, s)
            found[-2:] = [np.stack([np.zeros_like(a), a], -1).reshape(*a.shape[:-1], 2) for a in found[-2:]]
        return found

    def predicting(self, X: np.ndarray) -> Callable[[], np.ndarray]:
        self.train(1)
        return lambda: (self.model.predict_proba if self.task.loss == "cross-entropy" else self.model.predict)(X)
