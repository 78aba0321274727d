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

from numba import types
from numba.extending import intrinsic

from modnet.kernels.compiled import JIT_DISABLED, inline
from modnet.kernels.simd import INT, VECTOR_BYTES, WIDE, Registers, place_of

#: Rows of a tile: with two registers a row, the register file holds them and what they are multiplied by.
ROWS = 8 if WIDE else 6
DEPTH = 256  # steps of q before the next tile: as many rows of b, two registers wide, stay in the first-level cache

def _tile(registers: int) -> Any:
    """Make the intrinsic that computes one tile of ``ROWS`` rows by `registers` vector registers.

    ``tile(a, a_at, rows, i, n, columns, q, depth, b, b_at, out, out_at, m, width, add)`` sets, or adds to, the `width` numbers
    from ``out_at + i m`` and those of the rows below, by `depth` steps from q on; b begins at the row of q.
    """

    @intrinsic
    def tile(typingctx, a, a_at, rows, i, n, columns, q, depth, b, b_at, out, out_at, m, width, add):
        integer = types.int64
        signature = types.void(
            a, integer, rows, integer, integer, columns, integer, integer, b, integer, out, integer, integer, integer,
            types.boolean,
        )  # fmt: skip

        def codegen(context, builder, signature, arguments):
            a, a_at, rows, i, n, columns, q, depth, b, b_at, out, out_at, m, width, add = arguments
            kinds = signature.args
            v = Registers(context, builder, kinds[0].dtype)
            place = partial(place_of, context, builder)

            # Where each row of a and of out begins; rows from n on are row n - 1 again.
            last = builder.sub(n, INT(1))
            row_of_a, row_of_out = [], []
            for r in range(ROWS):
                row = builder.add(i, INT(r))
                row = builder.select(builder.icmp_signed("<", row, n), row, last)
                start = builder.load(place(kinds[2], rows, row))
                row_of_a.append(place(kinds[0], a, builder.add(a_at, start)))
                row_of_out.append(place(kinds[10], out, builder.add(out_at, builder.mul(row, m))))
            offsets = [INT(v.lanes * register) for register in range(registers)]
            inside = [v.below(builder.sub(width, offset)) for offset in offsets]
            cells = [(r, c) for r in range(ROWS) for c in range(registers)]
            targets = [builder.gep(row_of_out[r], [offsets[c]]) for r, c in cells]
            old = [builder.and_(mask, v.spread(add)) for mask in inside]
            starts = [v.load(target, old[c]) for target, (_, c) in zip(targets, cells)]

            before = builder.block
            loop, done = builder.append_basic_block("steps"), builder.append_basic_block("tile.done")
            builder.cbranch(builder.icmp_signed(">", depth, INT(0)), loop, done)

            builder.position_at_end(loop)
            step = builder.phi(INT)
            sums = [builder.phi(v.vector) for _ in cells]
            row_of_b = place(kinds[8], b, builder.add(b_at, builder.mul(step, m)))
            factors = [v.load(builder.gep(row_of_b, [offset]), mask) for offset, mask in zip(offsets, inside)]
            column = builder.load(place(kinds[5], columns, builder.add(q, step)))
            numbers = [v.spread(builder.load(builder.gep(row, [column]))) for row in row_of_a]
            grown = [v.multiply_add(numbers[r], factors[c], total) for total, (r, c) in zip(sums, cells)]
            following = builder.add(step, INT(1))
            step.add_incoming(INT(0), before)
            step.add_incoming(following, loop)
            for total, start, more in zip(sums, starts, grown):
                total.add_incoming(start, before)
                total.add_incoming(more, loop)
            builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)

            builder.position_at_end(done)
            results = [builder.phi(v.vector) for _ in cells]
            for result, start, more in zip(results, starts, grown):
                result.add_incoming(start, before)
                result.add_incoming(more, loop)
            for result, target, (_, c) in zip(results, targets, cells):
                v.store(result, target, inside[c])
            return context.get_dummy_value()

        return signature, codegen

    return tile


_wide_tile, _narrow_tile = _tile(2), _tile(1)


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
    lanes = VECTOR_BYTES // out.itemsize
    for j in range(0, m, 2 * lanes):
        width = min(m - j, 2 * lanes)
        for q in range(0, max(k, 1), DEPTH):
            depth, adding = min(k - q, DEPTH), add or q > 0
            panel = b_at + q * m + j
            if width > lanes:
                for i in range(0, n, ROWS):
                    _wide_tile(a, a_at, rows, i, n, columns, q, depth, b, panel, out, out_at + j, m, width, adding)
            else:
                for i in range(0, n, ROWS):
                    _narrow_tile(a, a_at, rows, i, n, columns, q, depth, b, panel, out, out_at + j, m, width, adding)


def plain_product(a, a_at, rows, columns, b, b_at, out, out_at, m, add):
    """`product` in numpy: the matrix of windows is made, and multiplied."""
    n, k = rows.size, columns.size
    windows = a.reshape(-1)[a_at + rows[:, None] + columns]
    result = windows @ b.reshape(-1)[b_at : b_at + k * m].reshape(k, m)
    target = out.reshape(-1)[out_at : out_at + n * m].reshape(n, m)
    target[...] = target + result if add else result


if JIT_DISABLED:
    product = plain_product
