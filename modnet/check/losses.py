"""check_loss: whether a loss, of the contract or of another style, is what it says and backward its derivative."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from modnet.check.loss_calls import Calling, of_functions
from modnet.check.loss_subject import PLAN, LossSubject
from modnet.check.other_losses import check_other_loss, is_other_loss
from modnet.check.plan import Examination
from modnet.check.report import Report


def check_loss(loss: Any, y: Any, yhat: Any) -> Report:
    """Check a loss and its derivative.

    Parameters
    ----------
    loss : any object with forward(y, yhat) and backward(y, yhat); or a loss of another style, whose arguments say by their
        names which is the prediction: forward(y_pred, y_true) with backward(dvalues, y_true), backward(dout) or backward();
        loss and gradient; a function that gives ``(loss, dx)``; a pair ``(mse, mse_prime)`` of functions. There a mean, over
        the batch or over all numbers, is as right as a sum, if forward and backward agree on it. It is left as it is.
    y : (batch, ...), the truth, as the loss takes it: integer labels, one-hot rows or numbers.
    yhat : (batch, ...), predictions, as the loss takes them: scores, probabilities or numbers. At least two examples show more.

    Returns
    -------
    report : see `Report`.

    Raises
    ------
    TypeError : if loss is a class, or neither an object with forward nor a function or two.
    """
    functions = loss if isinstance(loss, tuple | list) else (loss,)
    if 1 <= len(functions) <= 2 and all(inspect.isroutine(f) for f in functions):
        return check_other_loss(of_functions(*functions), np.array(y), np.array(yhat))
    other = not isinstance(loss, type) and is_other_loss(type(loss))
    if isinstance(loss, type) or not (other or callable(getattr(loss, "forward", None))):
        got = f"the class {loss.__name__}" if isinstance(loss, type) else f"of type {type(loss).__name__}, without forward"
        raise TypeError(f"check_loss: loss is {got}, expected an object with forward and backward")
    if other:
        return check_other_loss(loss, np.array(y), np.array(yhat), Calling.of(loss))
    subject = LossSubject(loss, np.array(y), np.array(yhat))
    report = Report(f"{subject.name} on y {subject.y.shape} and yhat {subject.x.shape}")
    return Examination(subject, report).carry_out(PLAN)
