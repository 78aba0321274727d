"""What softmax and the losses over classes do with rows of scores, a whole batch at a time."""

from __future__ import annotations

from modnet.kernels.compiled import inline_always
from modnet.kernels.mathfun import exp, largest
from modnet.kernels.memory import flat, in_rows

#: Rows shorter than this are gone through column by column: a loop over two or three numbers costs more than they do. 32 rows
#: of two take 0.07 us less, of the 2 of a small step; rows of ten take longer so.
_SHORT = 8


@inline_always
def exp_rows(x, out, top):
    """out (rows, n) = exp(x - top), with top (rows,) the largest of each row of x, which it fills; out may be x.

    The exponentials are one loop over all rows. Taken a row at a time, rows of two or ten leave most of a vector register
    empty: 32 rows of two then take 1.5 us, in place of 0.1.
    """
    rows, n = x.shape
    if n < _SHORT:
        for i in range(rows):
            top[i] = x[i, 0]
        for j in range(1, n):
            for i in range(rows):
                is_larger = (x[i, j] > top[i]) | (x[i, j] != x[i, j])
                top[i] = x[i, j] if is_larger else top[i]
        for j in range(n):
            for i in range(rows):
                out[i, j] = x[i, j] - top[i]
    else:
        for i in range(rows):
            top[i] = largest(x, i)
            for j in range(n):
                out[i, j] = x[i, j] - top[i]
    out = flat(out)
    for i in range(out.size):
        out[i] = exp(out[i])


@inline_always
def sum_rows(x, total):
    """total (rows,) = the sum of each row of x (rows, n).

    The sum of a long row is a loop of its own, of loads only. One that also stored would be vectorised or not by where its
    arrays lie: the table and the explicit path would add up in different orders.
    """
    rows, n = x.shape
    if n < _SHORT:
        for i in range(rows):
            total[i] = x[i, 0]
        for j in range(1, n):
            for i in range(rows):
                total[i] += x[i, j]
    else:
        for i in range(rows):
            here = x[i, 0]
            for j in range(1, n):
                here += x[i, j]
            total[i] = here


#: What stands in y for a label of a position that does not count.
IGNORED = -1.0


@inline_always
def label_at(y, r, classes):
    """The label y[r] as a whole number; -1 if it is not one of 0 to classes - 1."""
    label = y[r]
    return int(label) if label >= 0 and label < classes else -1


@inline_always
def first_largest(x, r):
    """The column of the largest element of row r of a matrix, the first of several."""
    best = 0
    for j in range(1, x.shape[1]):
        if x[r, j] > x[r, best]:
            best = j
    return best


@inline_always
def is_right(y, scores, r, top, labels):
    """Whether the first of row r's largest scores, which are top, is where y says: a label, or the largest of a row of y."""
    classes = scores.shape[1]
    truth = label_at(y, r, classes) if labels else first_largest(in_rows(y, classes), r)
    if truth < 0:
        return False
    ahead = 0
    for j in range(classes):  # no branch depends on a label, which nobody can predict
        ahead += (j < truth) & (scores[r, j] == top)
    return (scores[r, truth] == top) & (ahead == 0)  # one that is NaN is not
