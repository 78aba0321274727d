"""What a loss is called with, looked at by compiled code: labels, and the derivative for targets as kernels take them."""

from __future__ import annotations

from modnet.kernels.compiled import Compiled, call_loss_backward, inline_always
from modnet.kernels.memory import SMALL, flat, matrix_at, small_room


@inline_always
def _read(labels, classes, target):
    for i in range(labels.size):
        label = labels[i]
        if label < 0 or label >= classes:
            return i
        target[i] = label
    return -1


def _read_labels(labels, classes, target):
    """Copy labels (n,) to target, of n elements; the place of the first that is not one of 0 to classes - 1, or -1."""
    return _read(labels, classes, flat(target))


def _backward_by_labels(kernel, labels, yhat, delta, z, s):
    """backward of a loss for labels (n,) and yhat (n, classes), by its kernel. False, and nothing done, if they are not so."""
    n, classes = labels.size, delta.shape[1]
    if n > SMALL or yhat.shape[0] != n or yhat.shape[1] != classes:
        return False
    target = small_room(n, yhat)
    if _read(labels, classes, target) >= 0:
        return False
    call_loss_backward(kernel, matrix_at(target, 0, n, 1), yhat, delta, z, s)
    return True


def _backward_by_rows(kernel, y, yhat, delta, z, s):
    """The same for y and yhat (n, columns)."""
    if y.shape[0] != yhat.shape[0] or y.shape[1] != yhat.shape[1] or yhat.shape[1] != delta.shape[1]:
        return False
    call_loss_backward(kernel, y, yhat, delta, z, s)
    return True


# numpy's min, max and astype take 3 us for a batch of 32; this takes 0.1.
read_labels = Compiled(_read_labels, "Iim", "i")
backward_by_labels = Compiled(_backward_by_labels, "iImoii", "b")
backward_by_rows = Compiled(_backward_by_rows, "immoii", "b")
