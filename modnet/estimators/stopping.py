"""When the training of an estimator ends, and what it notes after each epoch: scikit-learn's rules, as a callback of `fit`.

An epoch improves if the training loss falls by more than `tol` below the lowest so far; with early_stopping, if the validation
score is not below the best so far plus `tol`. More than `n_iter_no_change` epochs in a row without end the training, or, with
the adaptive learning rate of "sgd", divide the rate by five until it is at most 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.engine.snapshot import Kept
from modnet.estimators.building import linears
from modnet.training import Callback, Training


class Watch(Callback):
    """Notes the figures of each epoch in an estimator, and ends its training.

    Parameters
    ----------
    estimator : whose attributes `loss_curve_`, `n_iter_` and so on are written.
    score : the validation score of the network as it is, or None without early stopping.
    n : training examples. batches : steps an epoch. alpha : of the penalty, which is part of the loss.
    """

    def __init__(self, estimator: Any, score: Callable[[], float] | None, n: int, batches: int, alpha: float) -> None:
        self.estimator, self.score, self.n = estimator, score, n
        self.share = 0.5 * alpha * batches / n
        self.kept: Kept | None = None
        self.epochs, self.ended = 0, False
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, training: Training) -> None:
        """Note the figures; stop, or lower the rate."""
        net, self.epochs = self.estimator, self.epochs + 1
        net.n_iter_ = self.epochs
        net.t_ += self.n
        net.loss_ = training.history.loss[-1] + self.penalty(training.net)
        net.loss_curve_.append(net.loss_)
        if net.verbose:
            print(f"Iteration {net.n_iter_}, loss = {net.loss_:.8f}")
        self._compare(training)
        if net.solver == "sgd" and net.optimizer is None and net.learning_rate == "invscaling":
            training.optimizer.lr = net.learning_rate_init / (net.t_ + 1) ** net.power_t
        if net._no_improvement_count > net.n_iter_no_change:
            self._stop_or_slow_down(training)

    def penalty(self, net: Any) -> float:
        """(alpha / 2) |W|^2, shared out as in the gradient."""
        if not self.share:
            return 0.0
        if not self.weights:  # views, which stay what they are while the network is trained
            self.weights = [layer.weight for layer in linears(net)]
        return self.share * sum(float(np.vdot(weight, weight)) for weight in self.weights)

    def _compare(self, training: Training) -> None:
        net = self.estimator
        if self.score is None:
            improved = not net.loss_ > net.best_loss_ - net.tol
            net.best_loss_ = min(net.best_loss_, net.loss_)
        else:
            score = self.score()
            net.validation_scores_.append(score)
            if net.verbose:
                print(f"Validation score: {score:f}")
            improved = not score < net.best_validation_score_ + net.tol
            if score > net.best_validation_score_:
                net.best_validation_score_, self.kept = score, Kept(training.net)
                training.history.best_epoch = self.epochs
        net._no_improvement_count = 0 if improved else net._no_improvement_count + 1

    def _stop_or_slow_down(self, training: Training) -> None:
        net = self.estimator
        what = "validation score" if self.score is not None else "training loss"
        reason = f"the {what} did not improve by more than {net.tol:g} in {net.n_iter_no_change} epochs"
        adaptive = net.solver == "sgd" and net.optimizer is None and net.learning_rate == "adaptive"
        if adaptive and training.optimizer.lr > 1e-6:
            training.optimizer.lr /= 5.0
            net._no_improvement_count = 0
            if net.verbose:
                print(f"{reason}: the learning rate is {training.optimizer.lr:g} now")
            return
        self.ended = True
        training.stop(reason)
        if net.verbose:
            print(f"Stopping: {reason}")


__all__ = ["Watch"]
