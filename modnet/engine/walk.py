"""The compiled loops that walk a program's table.

A row of the table stands for one operation: addresses of its kernels, of its sizes and settings, and where in the workspace its
input and output lie (`modnet.engine.program`). The functions here know nothing of layers. They are compiled once for each
element type; an architecture is data to them, so a new network compiles nothing.

    walk_forward     rows in order:      values of every row from the network's input
    walk_backward    rows in reverse:    gradients and deltas, from the delta of the last row
    walk_epoch       for every batch:    fetch, forward, loss, backward, one step of the optimizer
    rows_forward, rows_backward          some of the rows, for networks with modules that have no kernels

The workspace has a *slot* for each value: a block of ``features`` columns, for as many rows as the largest batch. Slot 0 is
the network's input. What a walk works on is told in one record, `WALK`, and what an epoch needs besides in another, `EPOCH`:
Python fills them by name and hands over their addresses, since each array that it hands to compiled code costs 0.1 us or more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.engine.program import ROW
from modnet.kernels.compiled import (
    Compiled,
    call_backward,
    call_forward,
    call_gradient,
    call_hits,
    call_loss,
    call_loss_at_once,
    call_loss_backward,
    call_step,
    inline_always,
)
from modnet.kernels.loops import fetch_rows
from modnet.kernels.memory import (
    bits_at,
    flat,
    integers_at,
    matrix_at,
    matrix_like,
    record_reader,
    typed_vector,
    vector_at,
    vector_like,
    words_at,
)
from modnet.kernels.random import next_bits
from modnet.kernels.together import meet


def _record(integers: str, floats: str = "") -> np.dtype[Any]:
    return np.dtype([(name, np.int64) for name in integers.split()] + [(name, np.float64) for name in floats.split()])


#: A workspace, and the numbers of its network. All but counts, places and sizes are addresses. `writes` is 1 if a walk backward
#: can write the whole gradient without adding to it.
WALK = _record(
    "rows row_count on values deltas scratch capacity columns result features input_features "
    "parameters parameter_count gradient writes state state_count settings setting_count seen seen_settings"
)

#: Epochs over some data, each from batch `first` to `last`. order says which examples come when, and is shuffled between two
#: epochs if there is a seed; hits is 0 if there are none. `stays` is 1 if a batch is all there is, in the same order each time,
#: and `held` if the workspace holds it already. The loss sees each example as so many `positions`, 1 or one for each weight
#: that an example has; `at_once` is 0 if it has no kernel that does all in one pass. From `part` on, what the threads need that
#: share its batches (`modnet.training.parts`).
EPOCH = _record(
    "walk data examples positions targets target_columns weights weight_count epochs order seed stays held first last "
    "batch_size y losses right totals loss loss_backward hits at_once loss_z loss_s step pieces piece_count moments "
    "moment_count rates previous previous_state draw keeps part parts meeting partial sum others other_count sleep",
    "clip",
)

#: Where the whole numbers of an `EPOCH` lie, by name.
PLACES = {name: i for i, name in enumerate(EPOCH.names or ())}


def fill(words: np.ndarray, **fields: int) -> None:
    """Set whole numbers of a record, seen as words, by name; numpy takes three times as long to set a field."""
    for name, value in fields.items():
        words[PLACES[name]] = value


#: A stretch of the flat vector that has one rate: a factor of the learning rate, and the optimizer's numbers for it.
PIECE = _record("start size z s", "factor")

_walk_at, _epoch_at = record_reader(WALK), record_reader(EPOCH)
_rows_at, _pieces_at = typed_vector(ROW), typed_vector(PIECE)


def _compiled(letters: str, returns: str = "") -> Callable[[Callable[..., Any]], Compiled]:
    """Decorator: a function that Python calls, with letters of its arguments and its result as in `modnet.kernels.entry`."""
    return lambda function: Compiled(function, letters, returns)


@inline_always
def _slot(memory, place, capacity, batch, rows, columns):
    """A slot as a matrix (batch * rows, columns)."""
    return matrix_at(memory, place * capacity, batch * rows, columns)


@inline_always
def _values(w, like):
    return vector_like(w.values, w.capacity * w.columns, like)


@inline_always
def _deltas(w, like):
    return vector_like(w.deltas, w.capacity * w.columns, like)


@inline_always
def _forward(w, first, last, batch, draw, like):
    rows, on = _rows_at(w.rows, w.row_count), integers_at(w.on, w.row_count)
    values, capacity = _values(w, like), w.capacity
    parameters, state = vector_like(w.parameters, w.parameter_count, like), vector_like(w.state, w.state_count, like)
    for r in range(first, last):
        row = rows[r]
        call_forward(
            row["forward"],
            _slot(values, row["input"], capacity, batch, row["input_rows"], row["input_columns"]),
            _slot(values, row["output"], capacity, batch, row["output_rows"], row["output_columns"]),
            parameters, state, row["z"], row["s"], draw * on[r],
        )  # fmt: skip


@inline_always
def _backward(w, first, last, batch, draw, wants_dx, wants_gradient, add, like):
    rows, on = _rows_at(w.rows, w.row_count), integers_at(w.on, w.row_count)
    values, deltas, capacity = _values(w, like), _deltas(w, like), w.capacity
    parameters, state = vector_like(w.parameters, w.parameter_count, like), vector_like(w.state, w.state_count, like)
    gradient = vector_like(w.gradient, w.parameter_count, like)
    for r in range(last - 1, first - 1, -1):
        row = rows[r]
        n, columns = row["input_rows"], row["input_columns"]
        inputs = _slot(values, row["input"], capacity, batch, n, columns)
        out = _slot(values, row["output"], capacity, batch, row["output_rows"], row["output_columns"])
        delta = _slot(deltas, row["output"], capacity, batch, row["output_rows"], row["output_columns"])
        row_draw = draw * on[r]
        if row["gradient"] != 0 and wants_gradient:
            call_gradient(row["gradient"], inputs, out, delta, gradient, parameters, state, row["z"], row["s"], row_draw, add)
        if row["trains"] or wants_dx:
            dx = _slot(deltas, row["input"], capacity, batch, n, columns)
            scratch = matrix_like(w.scratch, batch * n, columns, like)
            target = scratch if row["adds"] else dx
            call_backward(row["backward"], inputs, out, delta, target, parameters, state, row["z"], row["s"], row_draw)
            if row["adds"]:
                for i in range(dx.shape[0]):
                    for j in range(columns):
                        dx[i, j] += target[i, j]


@inline_always
def _copy(source, target):
    for i in range(source.size):
        target[i] = source[i]


@inline_always
def _copy_rows(source, start, batch, target):
    for i in range(batch):
        for j in range(source.shape[1]):
            target[i, j] = source[start + i, j]


@inline_always
def _is_finite(numbers):
    wrong = 0
    for i in range(numbers.size):
        wrong += not np.isfinite(numbers[i])
    return wrong == 0


@inline_always
def _seen(w, like):
    """What the values in the workspace came from, apart from the input, which is there: numbers now, and their copies."""
    n = w.parameter_count
    seen = vector_like(w.seen, n + w.state_count, like)
    return (
        vector_like(w.parameters, n, like), vector_at(seen, 0, n),
        vector_like(w.state, w.state_count, like), vector_at(seen, n, w.state_count),
        integers_at(w.settings, w.setting_count), integers_at(w.seen_settings, w.setting_count),  # some are no floats
    )  # fmt: skip


@inline_always
def _remember(w, like):
    """Note what a forward comes from. Before it begins: another thread may take a step while it goes on."""
    parameters, seen, state, seen_state, settings, seen_settings = _seen(w, like)
    _copy(parameters, seen)
    _copy(state, seen_state)
    _copy(settings, seen_settings)


@inline_always
def _remember_moved(w, like):
    """Note the statistics once more, after a forward that has moved them."""
    _, _, state, seen_state, _, _ = _seen(w, like)
    _copy(state, seen_state)


@inline_always
def _equal(a, b):
    different = 0
    for i in range(a.size):
        different += a[i] != b[i]
    return different == 0


@inline_always
def _is_remembered(w, like):
    parameters, seen, state, seen_state, settings, seen_settings = _seen(w, like)
    return _equal(parameters, seen) and _equal(state, seen_state) and _equal(settings, seen_settings)


@_compiled("imoii", "b")
def walk_forward(walk, x, out, draw, keep):
    """Fill a workspace from x and copy the result to out; keep is 1 if what it came from is to be remembered.

    False, and nothing done, if an array is not of the workspace's sizes.
    """
    w, batch = _walk_at(walk), x.shape[0]
    if batch > w.capacity or x.shape[1] != w.input_features or out.shape[1] != w.features:
        return False
    values = _values(w, x)
    if keep:
        _remember(w, x)
    _copy_rows(x, 0, batch, matrix_at(values, 0, batch, x.shape[1]))
    _forward(w, 0, w.row_count, batch, draw, x)
    _copy_rows(_slot(values, w.result, w.capacity, batch, 1, out.shape[1]), 0, batch, out)
    if keep and draw > 0:
        _remember_moved(w, x)
    return True


#: The same with a matrix that is there as out.
walk_forward_into = walk_forward.with_letters("immii")


@_compiled("immoiii", "b")
def walk_backward(walk, x, delta, dx, draw, wants_gradient, filled):
    """Walk up from delta, the derivative by the result. dx is filled if it has columns, the gradient if it is wanted (0 or 1).

    filled says how many examples the forward had that the workspace holds, 0 if it holds none. Unless that was on an equal x
    with these parameters, forward comes first. Modules that draw then draw what they drew last, and statistics do not move.
    False, and nothing done, if an array is not of the workspace's sizes.
    """
    w, batch, wants_dx = _walk_at(walk), x.shape[0], dx.shape[1] != 0
    if (
        batch > w.capacity or x.shape[1] != w.input_features or delta.shape[0] != batch or delta.shape[1] != w.features
        or (wants_dx and dx.shape[1] != x.shape[1])
    ):  # fmt: skip
        return False
    values, flat_x = _values(w, x), matrix_at(x, 0, 1, x.size)[0]
    if not (filled == batch and _equal(flat_x, values) and _is_remembered(w, x)):
        _remember(w, x)
        _copy(flat_x, values)
        _forward(w, 0, w.row_count, batch, -abs(draw), x)
    deltas = _deltas(w, x)
    _copy_rows(delta, 0, batch, _slot(deltas, w.result, w.capacity, batch, 1, delta.shape[1]))
    _backward(w, 0, w.row_count, batch, draw, wants_dx, wants_gradient, 1, x)
    if wants_dx:
        _copy_rows(matrix_at(deltas, 0, batch, x.shape[1]), 0, batch, dx)
    return True


@_compiled("iiiiiv")
def rows_forward(walk, first, last, batch, draw, like):
    """Some rows forward, from values that are in the workspace."""
    _forward(_walk_at(walk), first, last, batch, draw, like)


@_compiled("iiiiiiiv")
def rows_backward(walk, first, last, batch, draw, wants_dx, wants_gradient, like):
    """Some rows backward, from deltas that are in the workspace."""
    _backward(_walk_at(walk), first, last, batch, draw, wants_dx, wants_gradient, 1, like)


@_compiled("iiv")
def remember(walk, moved, like):
    """Keep a copy of what values in the workspace will come from, apart from the input; or of moved statistics alone."""
    w = _walk_at(walk)
    if moved:
        _remember_moved(w, like)
    else:
        _remember(w, like)


@_compiled("im", "b")
def is_remembered(walk, x):
    """Whether the workspace is that of a forward on an equal x with these parameters, state and settings."""
    w = _walk_at(walk)
    return _equal(matrix_at(x, 0, 1, x.size)[0], _values(w, x)) and _is_remembered(w, x)


@inline_always
def _add_others(e, like):
    """Add this part's stretch of the gradients of all other parts to that of part 0, in their order."""
    size = _walk_at(e.walk).parameter_count
    others, total = vector_like(e.others, (e.parts - 1) * e.other_count, like), vector_like(e.sum, size, like)
    start = size * e.part // e.parts
    n = size * (e.part + 1) // e.parts - start
    total = vector_at(total, start, n)
    for k in range(e.parts - 1):
        other = vector_at(others, k * e.other_count + start, n)
        for i in range(n):
            total[i] += other[i]


@_compiled("iv", "i")
def walk_epoch(epoch, like):
    """Train on batches `first` to `last` of an epoch, or of several; return the number of batches done.

    A batch whose loss is not finite, or whose gradient is not though it is to be clipped, stops the walk before the
    optimizer's step; the parameters are unchanged. With `keeps`, `previous` holds them as they were one step earlier. totals
    gathers for each epoch the sum of weighted losses and the sum of hits, of those that have a weight. An epoch after which
    a number is not finite is the last; `previous_state` is the state as it was before.

    With `parts` above 1, as many threads walk together, each with its part of every batch, a workspace and a gradient of its
    own. They meet when all have their part of the loss, of the gradient, of the sum of the gradients, which is taken in the
    order of the parts, so that the bits are the same in every run, and when part 0 has taken the step.
    """
    e = _epoch_at(epoch)
    w = _walk_at(e.walk)
    n, columns, positions = e.examples, e.target_columns, e.positions
    row_columns, row_features = columns // positions, w.features // positions
    data = matrix_like(e.data, n, w.input_features, like)
    targets = matrix_like(e.targets, n, columns, like)
    weights, order = words_at(e.weights, e.weight_count), integers_at(e.order, n)
    y, losses = vector_like(e.y, e.batch_size * columns, like), vector_like(e.losses, e.batch_size * positions, like)
    right = vector_like(e.right, e.batch_size * positions, like)
    totals, rates = words_at(e.totals, 2 * e.epochs + 1), words_at(e.rates, e.last)
    values, deltas = _values(w, like), _deltas(w, like)
    parameters = vector_like(w.parameters, w.parameter_count, like)
    gradient, previous = vector_like(w.gradient, parameters.size, like), vector_like(e.previous, parameters.size, like)
    moments, pieces = vector_like(e.moments, e.moment_count, like), _pieces_at(e.pieces, e.piece_count)
    meeting, partial = integers_at(e.meeting, 1), words_at(e.partial, 2 * e.parts + 1)
    state, previous_state = vector_like(w.state, w.state_count, like), vector_like(e.previous_state, w.state_count, like)
    done, held, hurry = 0, e.held, 0
    for epoch in range(e.epochs):
        if epoch > 0:
            if e.part == 0:
                _copy(state, previous_state)
                if e.seed != 0:
                    _shuffle(order, bits_at(e.seed, 1))
            if e.parts > 1:
                hurry = meet(meeting, e.parts, e.sleep, hurry)
        for b in range(e.first, e.last):
            at = b * e.batch_size
            whole = min(e.batch_size, n - at)
            begin = whole * e.part // e.parts
            batch = whole * (e.part + 1) // e.parts - begin
            examples = vector_at(order, at + begin, batch)
            if not held:
                fetch_rows(data, examples, matrix_at(values, 0, batch, w.input_features))
                fetch_rows(targets, examples, matrix_at(y, begin * columns, batch, columns))
                held = e.stays
            draw = e.draw + e.first + done if e.draw > 0 else 0
            _forward(w, 0, w.row_count, batch, draw, like)
            out = _slot(values, w.result, w.capacity, batch, positions, row_features)
            batch_y = matrix_at(y, begin * columns, batch * positions, row_columns)
            batch_losses = vector_at(losses, begin * positions, batch * positions)
            batch_right = vector_at(right, begin * positions, batch * positions)
            delta = _slot(deltas, w.result, w.capacity, batch, positions, row_features)
            if e.at_once != 0:
                call_loss_at_once(e.at_once, batch_y, out, batch_losses, batch_right, delta, e.loss_z, e.loss_s)
            else:
                call_loss(e.loss, batch_y, out, batch_losses, e.loss_z, e.loss_s)
            total = _total(batch_losses, weights, examples, positions)
            if e.parts > 1:
                partial[e.part] = total
                hurry = meet(meeting, e.parts, e.sleep, hurry)
                total = 0.0
                for k in range(e.parts):
                    total += partial[k]
            if not np.isfinite(total):
                return done
            if e.at_once == 0:
                if e.hits != 0:
                    call_hits(e.hits, batch_y, out, batch_right, e.loss_z, e.loss_s)
                call_loss_backward(e.loss_backward, batch_y, out, delta, e.loss_z, e.loss_s)
            hits = _count(batch_right, weights, examples, positions) if e.hits != 0 else 0.0
            _scale(delta, weights, examples, positions, whole)
            for i in range(0 if w.writes else gradient.size):
                gradient[i] = 0
            _backward(w, 0, w.row_count, batch, draw, False, True, 1 - w.writes, like)
            if e.parts > 1:
                partial[e.parts + e.part] = hits
                hurry = meet(meeting, e.parts, e.sleep, hurry)
                _add_others(e, like)
                hurry = meet(meeting, e.parts, e.sleep, hurry)
                if e.part > 0:
                    hurry = meet(meeting, e.parts, e.sleep, hurry)
                    if partial[2 * e.parts] != 0:
                        return done
                    done += 1
                    continue
                hits = 0.0
                for k in range(e.parts):
                    hits += partial[e.parts + k]
            is_good = e.clip == 0 or np.isfinite(_clip(gradient, pieces, e.clip))
            if is_good:
                totals[2 * epoch] += total
                totals[2 * epoch + 1] += hits
                if e.keeps:
                    _copy(parameters, previous)
                for k in range(pieces.size):
                    piece = pieces[k]
                    words_at(piece["s"], 1)[0] = rates[b] * piece["factor"]
                    call_step(
                        e.step, vector_at(parameters, piece["start"], piece["size"]),
                        vector_at(gradient, piece["start"], piece["size"]), moments, piece["z"], piece["s"],
                    )  # fmt: skip
            if e.parts > 1:
                partial[2 * e.parts] = 0 if is_good else 1
                hurry = meet(meeting, e.parts, e.sleep, hurry)
            if not is_good:
                return done
            done += 1
        if epoch + 1 < e.epochs:
            totals[2 * e.epochs] = epoch + 1
            if not (np.isfinite(totals[2 * epoch]) and _is_finite(parameters) and _is_finite(state)):
                return done
    return done


# The weights of an example follow each other, one for each position. Without any, loops are over all rows: 32 of them take
# 0.3 us less, of the 4 of a small step.


@inline_always
def _total(losses, weights, examples, positions):
    """The sum of weight * loss."""
    total = 0.0
    if weights.size == 0:
        for i in range(losses.size):
            total += np.float64(losses[i])
    else:
        for i in range(examples.size):
            for q in range(positions):
                total += np.float64(losses[i * positions + q]) * weights[examples[i] * positions + q]
    return total


@inline_always
def _count(hits, weights, examples, positions):
    """The sum of the hits that have a weight."""
    total = 0.0
    if weights.size == 0:
        for i in range(hits.size):
            total += hits[i]
    else:
        for i in range(examples.size):
            for q in range(positions):
                total += hits[i * positions + q] if weights[examples[i] * positions + q] > 0.0 else 0.0
    return total


@inline_always
def _scale(delta, weights, examples, positions, batch):
    if weights.size == 0:
        share, every = delta.dtype.type(1.0 / batch), flat(delta)
        for i in range(every.size):
            every[i] *= share
    else:
        for i in range(examples.size):
            for q in range(positions):
                share, row = delta.dtype.type(weights[examples[i] * positions + q] / batch), i * positions + q
                for j in range(delta.shape[1]):
                    delta[row, j] *= share


@_compiled("mDIi")
def scale(delta, weights, examples, positions):
    """From the derivative of each loss to that of the batch's mean of weight * loss; delta (batch * positions, ...).

    weights (n * positions,) may be empty.
    """
    _scale(delta, weights, examples, positions, examples.size)


@inline_always
def _clip(gradient, pieces, limit):
    squares = 0.0
    for k in range(pieces.size):
        part = vector_at(gradient, pieces[k]["start"], pieces[k]["size"])
        for i in range(part.size):
            squares += np.float64(part[i]) * np.float64(part[i])
    norm = np.sqrt(squares)
    if limit < norm < np.inf:
        factor = gradient.dtype.type(limit / norm)
        for k in range(pieces.size):
            part = vector_at(gradient, pieces[k]["start"], pieces[k]["size"])
            for i in range(part.size):
                part[i] *= factor
    return norm


@_compiled("viid", "d")
def clip(gradient, pieces, count, limit):
    """Scale the gradient, in pieces, down to norm `limit` if it is longer; return its norm before."""
    return _clip(gradient, _pieces_at(pieces, count), limit)


@_compiled("iDiivvv", "b")
def move(kernel, words, pieces, count, parameters, gradient, moments):
    """One step of an optimizer by its kernel; words are its settings, the rate first, then the count, then the norm to clip to.

    False, and nothing done, if the gradient is to be clipped, or there is nothing to move.
    """
    if count == 0 or words[2] != 0.0:
        return False
    parts = _pieces_at(pieces, count)
    for k in range(count):
        piece = parts[k]
        words_at(piece["s"], 1)[0] = words[0] * piece["factor"]
        call_step(
            kernel, vector_at(parameters, piece["start"], piece["size"]), vector_at(gradient, piece["start"], piece["size"]),
            moments, piece["z"], piece["s"],
        )  # fmt: skip
    return True


@inline_always
def _shuffle(order, seed):
    for i in range(order.size - 1, 0, -1):
        # The high half of a 32 by 32 bit product falls evenly on 0 ... i, but for a bias below i / 2**32.
        j = np.int64(((next_bits(seed) >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]


@_compiled("IU")
def shuffle(order, seed):
    """Put order (n,) into a random order (Fisher and Yates); seed, one uint64, moves on."""
    _shuffle(order, seed)
