"""Matrix products whose left matrix is never made: its number (i, q) is read where it lies, at ``rows[i] + columns[q]``.

(1)  out[i, j] = sum over q of a[a_at + rows[i] + columns[q]] b[q, j]          i < n, q < k, j < m

With rows[i] = i k and columns[q] = q this is the product with a matrix as it lies. With rows the places where windows of a
signal begin, and columns the steps from there to each number of a window, it is a convolution: the matrix of windows, several
times as large as the signal where windows overlap, is two short lists. With the lists exchanged it is that matrix transposed.

How it is computed: ``out`` is cut into tiles of `ROWS` rows by one or two vector registers. A tile stays in registers while
q runs; each step reads one row of b for all rows of the tile, and one number of a for each row:

    for q:  tile[r, :] += a[rows[i + r] + columns[q]] * b[q, j : j + width]           r < ROWS

What hangs over the right edge is masked. Below the last row the tile computes the last row again and writes the same numbers
to the same place, which takes less time than a smaller tile for what is left.

BLAS cannot read rows that overlap, and is slow where a matrix is narrow, as most of these are: the table in
`modnet.modules.conv` says what this gains, two to three times. The plain reference is `plain_product`, which also runs where
nothing is compiled.

Source: K. Goto and R. van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS 34 (2008), for the tiles;
M. Dukhan, The indirect convolution algorithm, arXiv:1907.02129 (2019), for reading through a list.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from modnet.kernels.compiled import inline
from modnet.kernels.jit import JIT_DISABLED, intrinsic, types
from modnet.kernels.memory import flat, room
from modnet.kernels.simd import INT, VECTOR_BYTES, Registers, place_of
from modnet.kernels.target import WIDE

#: Rows of a tile of three registers a row, and of one or two: sums, factors and the numbers that they are multiplied by must
#: find room in the register file.
ROWS3, ROWS = (8, 8) if WIDE else (4, 6)
DEPTH = 256  # steps of q before the next tile: as many rows of b, three registers wide, stay in the first-level cache


def _tile(registers: int, height: int = ROWS, size: int = VECTOR_BYTES, partial_from: int = -1) -> Any:
    """Make the intrinsic that computes one tile of `height` rows by so many registers of `size` bytes.

    ``tile(a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, width, add)`` sets, or adds to, the
    `width` numbers from ``out_at + i out_step`` and those of the rows below, by `depth` steps from q on; b begins at the row of
    q. rows and columns are lists of places, or the distance between one and the next. Registers before `partial_from` are full:
    by default all but the last.
    """
    first_partial = partial_from % registers if partial_from < registers else registers

    @intrinsic
    def tile(typingctx, a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, width, add):
        integer = types.int64
        signature = types.void(
            a, integer, rows, integer, integer, columns, integer, integer, b, integer, integer, out, integer, integer, integer,
            types.boolean,
        )  # fmt: skip

        def codegen(context, builder, signature, arguments):
            a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, width, add = arguments
            kinds = signature.args
            v = Registers(context, builder, kinds[0].dtype, size)
            place = partial(place_of, context, builder)

            def listed(kind, where, index):
                if isinstance(kind, types.Array):
                    return builder.load(place(kind, where, index))
                return builder.mul(where, index)

            # Where each row of a and of out begins; rows from n on are row n - 1 again.
            last = builder.sub(n, INT(1))
            row_of_a, row_of_out = [], []
            for r in range(height):
                row = builder.add(i, INT(r))
                row = builder.select(builder.icmp_signed("<", row, n), row, last)
                row_of_a.append(place(kinds[0], a, builder.add(a_at, listed(kinds[2], rows, row))))
                row_of_out.append(place(kinds[11], out, builder.add(out_at, builder.mul(row, out_step))))
            offsets = [INT(v.lanes * register) for register in range(registers)]
            inside = [None if c < first_partial else v.below(builder.sub(width, o)) for c, o in enumerate(offsets)]
            cells = [(r, c) for r in range(height) for c in range(registers)]
            targets = [builder.gep(row_of_out[r], [offsets[c]]) for r, c in cells]

            empty = builder.block
            adding, begin = builder.append_basic_block("adding"), builder.append_basic_block("begin")
            builder.cbranch(add, adding, begin)
            builder.position_at_end(adding)
            old = [v.load(target, inside[c]) for target, (_, c) in zip(targets, cells)]
            builder.branch(begin)
            builder.position_at_end(begin)
            starts = [_either(builder, v.vector, (v.zero, empty), (there, adding)) for there in old]

            loop, done = builder.append_basic_block("steps"), builder.append_basic_block("tile.done")
            builder.cbranch(builder.icmp_signed(">", depth, INT(0)), loop, done)
            builder.position_at_end(loop)
            step = builder.phi(INT)
            sums = [builder.phi(v.vector) for _ in cells]
            row_of_b = place(kinds[8], b, builder.add(b_at, builder.mul(step, b_step)))
            factors = [v.load(builder.gep(row_of_b, [offset]), mask) for offset, mask in zip(offsets, inside)]
            column = listed(kinds[5], columns, builder.add(q, step))
            numbers = [v.spread(builder.load(builder.gep(row, [column]))) for row in row_of_a]
            grown = [v.multiply_add(numbers[r], factors[c], total) for total, (r, c) in zip(sums, cells)]
            following = builder.add(step, INT(1))
            step.add_incoming(INT(0), begin)
            step.add_incoming(following, loop)
            for total, start, more in zip(sums, starts, grown):
                total.add_incoming(start, begin)
                total.add_incoming(more, loop)
            builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)

            builder.position_at_end(done)
            results = [_either(builder, v.vector, (start, begin), (more, loop)) for start, more in zip(starts, grown)]
            for result, target, (_, c) in zip(results, targets, cells):
                v.store(result, target, inside[c])
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _either(builder: Any, kind: Any, *incoming: Any) -> Any:
    """The value that comes from the block that was left last."""
    found = builder.phi(kind)
    for value, block in incoming:
        found.add_incoming(value, block)
    return found


_three, _two, _one = _tile(3, ROWS3, partial_from=3), _tile(2), _tile(1)
_any = _tile(2, partial_from=0)
_half, _quarter = _tile(1, size=VECTOR_BYTES // 2), _tile(1, size=VECTOR_BYTES // 4)


@inline
def _strip(a, a_at, rows, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, left, add):
    """One strip of columns of the product, of at most `left`: as wide as tiles serve it; return its width."""
    lanes = VECTOR_BYTES // out.itemsize
    if left >= 3 * lanes:
        for i in range(0, n, ROWS3):
            _three(a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, 3 * lanes, add)
        return 3 * lanes
    width = min(left, 2 * lanes)
    if width > lanes:
        for i in range(0, n, ROWS):
            _two(a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, width, add)
    elif 2 * width > lanes:
        for i in range(0, n, ROWS):
            _one(a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, width, add)
    elif 4 * width > lanes:
        for i in range(0, n, ROWS):
            _half(a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, width, add)
    else:
        for i in range(0, n, ROWS):
            _quarter(a, a_at, rows, i, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, width, add)
    return width


@inline
def product(a, a_at, rows, columns, b, b_at, out, out_at, m, add):
    """(1): out (n, m) = a (n, k) @ b (k, m), or out += with `add`.

    Parameters
    ----------
    a : the array read through the lists; element (i, q) lies at ``a_at + rows[i] + columns[q]`` of its flat memory.
    rows (n,), columns (k,) : int64.
    b, out : arrays in whose flat memory the two matrices begin at b_at and out_at, row after row.
    m : columns of b and of out.

    All arrays are C-contiguous and of one type; out shares no memory with a or b. No place is checked.
    """
    n, k = rows.size, columns.size
    for q in range(0, max(k, 1), DEPTH):
        depth, adding = min(k - q, DEPTH), add or q > 0
        j = 0
        while j < m:
            j += _strip(a, a_at, rows, n, columns, q, depth, b, b_at + q * m + j, m, out, out_at + j, m, m - j, adding)


@inline
def product_by_steps(a, row_step, column_step, n, k, b, m, out, add):
    """out (n, m) = a @ b (k, m), or out += with `add`; element (i, q) of a lies at ``i row_step + q column_step``.

    All are vectors. So a is a matrix as it lies, with the steps k and 1, or one that lies transposed, with 1 and n.
    """
    for q in range(0, max(k, 1), DEPTH):
        depth, adding = min(k - q, DEPTH), add or q > 0
        j = 0
        while j < m:
            j += _strip(a, q * column_step, row_step, n, column_step, 0, depth, b, q * m + j, m, out, j, m, m - j, adding)


@inline
def product_nt(a, b, out, add):
    """out (n, m) = a (n, k) @ b (m, k).T, or out += with `add`.

    A tile reads rows of b.T, which lie across b. So a panel of it, two registers wide and `DEPTH` deep, is turned over
    first, in blocks of a register by a register that stay in registers meanwhile. All tiles have one form, which is
    compiled in half a second; the five of `product` take a second and a half.
    """
    (n, k), m = a.shape, b.shape[0]
    a, b, out = flat(a), flat(b), flat(out)
    lanes = VECTOR_BYTES // out.itemsize
    wide = 2 * lanes
    panel = room(DEPTH * wide, out)
    for j in range(0, m, wide):
        width = min(wide, m - j)
        for q in range(0, max(k, 1), DEPTH):
            depth = min(k - q, DEPTH)
            for c in range(0, width, lanes):
                for r in range(0, depth, lanes):
                    here, deep = min(lanes, width - c), min(lanes, depth - r)
                    _turn(b, (j + c) * k + q + r, k, here, deep, panel, r * wide + c, wide)
            for i in range(0, n, ROWS):
                _any(a, q, k, i, n, 1, 0, depth, panel, 0, wide, out, j, m, width, add or q > 0)


@intrinsic
def _turn(typingctx, source, at, step, rows, columns, target, to, target_step):
    """A block of at most a register's lanes by as many numbers, transposed; whole registers are written to `columns` rows."""
    integer = types.int64
    signature = types.void(source, integer, integer, integer, integer, target, integer, integer)

    def codegen(context, builder, signature, arguments):
        source, at, step, rows, columns, target, to, target_step = arguments
        kinds = signature.args
        v = Registers(context, builder, kinds[0].dtype)
        mask, last, block = v.below(columns), builder.sub(rows, INT(1)), []
        for r in range(v.lanes):
            row = builder.select(builder.icmp_signed("<", INT(r), rows), INT(r), last)
            place = place_of(context, builder, kinds[0], source, builder.add(at, builder.mul(row, step)))
            block.append(v.load(place, mask))
        distance = 1
        while distance < v.lanes:  # rows r and r + distance exchange pieces of `distance` lanes
            low = [lane if not lane & distance else v.lanes + (lane ^ distance) for lane in range(v.lanes)]
            high = [lane | distance if not lane & distance else v.lanes + lane for lane in range(v.lanes)]
            for r in range(v.lanes):
                if not r & distance:
                    pair = block[r], block[r + distance]
                    block[r], block[r + distance] = (v.shuffle(*pair, pick) for pick in (low, high))
            distance *= 2
        for r, register in enumerate(block):
            with builder.if_then(builder.icmp_signed("<", INT(r), columns)):
                place = place_of(context, builder, kinds[5], target, builder.add(to, builder.mul(INT(r), target_step)))
                v.store(register, place, None)
        return context.get_dummy_value()

    return signature, codegen


def plain_product(a, a_at, rows, columns, b, b_at, out, out_at, m, add):
    """`product` in numpy: the matrix of windows is made, and multiplied."""
    n, k = rows.size, columns.size
    windows = a.reshape(-1)[a_at + rows[:, None] + columns]
    result = windows @ b.reshape(-1)[b_at : b_at + k * m].reshape(k, m)
    target = out.reshape(-1)[out_at : out_at + n * m].reshape(n, m)
    target[...] = target + result if add else result


def plain_product_by_steps(a, row_step, column_step, n, k, b, m, out, add):
    """`product_by_steps` in numpy."""
    left = a[np.arange(n)[:, None] * row_step + np.arange(k) * column_step]
    target = out[: n * m].reshape(n, m)
    target[...] = (target if add else 0) + left @ b[: k * m].reshape(k, m)


def plain_product_nt(a, b, out, add):
    """`product_nt` in numpy."""
    out[...] = out + a @ b.T if add else a @ b.T


if JIT_DISABLED:
    product, product_by_steps, product_nt = plain_product, plain_product_by_steps, plain_product_nt
