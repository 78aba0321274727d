"""What a loss is called with, looked at by compiled code: labels, and the derivative for targets as kernels take them."""

from __future__ import annotations

from modnet.kernels.compiled import Compiled, call_loss, call_loss_backward, inline_always
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


def _by_labels(kernel, labels, yhat, out, classes, is_loss, z, s):
    """A loss by its kernel, for labels (n,) and yhat (n, classes): its backward, or if is_loss is 1 its forward, out (n, 1).

    False, and nothing done, if they are not so.
    """
    n = labels.size
    if n > SMALL or yhat.shape[0] != n or yhat.shape[1] != classes or out.shape[1] != (1 if is_loss else classes):
        return False
    target = small_room(n, yhat)
    if _read(labels, classes, target) >= 0:
        return False
    if is_loss:
        call_loss(kernel, matrix_at(target, 0, n, 1), yhat, flat(out), z, s)
    else:
        call_loss_backward(kernel, matrix_at(target, 0, n, 1), yhat, out, z, s)
    return True


def _by_rows(kernel, y, yhat, out, columns, is_loss, z, s):
    """The same for y and yhat (n, columns)."""
    if (
        y.shape[0] != yhat.shape[0] or y.shape[1] != columns or yhat.shape[1] != columns
        or out.shape[1] != (1 if is_loss else columns)
    ):  # fmt: skip
        return False
    if is_loss:
        call_loss(kernel, y, yhat, flat(out), z, s)
    else:
        call_loss_backward(kernel, y, yhat, out, z, s)
    return True


# numpy's min, max and astype take 3 us for a batch of 32; this takes 0.1.
read_labels = Compiled(_read_labels, "Iim", "i")
backward_by_labels, backward_by_rows = Compiled(_by_labels, "iImoiiii", "b"), Compiled(_by_rows, "immoiiii", "b")
loss_by_labels, loss_by_rows = backward_by_labels.with_letters("iImwiiii"), backward_by_rows.with_letters("immwiiii")
#: For y as labels and as rows.
BY_LABELS, BY_ROWS = (loss_by_labels, backward_by_labels), (loss_by_rows, backward_by_rows)
