"""Matrix products whose left matrix is never made: its number (i, q) is read where it lies, at ``rows[i] + columns[q]``.

(1)  out[i, j] = start[i, j] + sum over q of a[a_at + rows[i] + columns[q]] b[q, j]          i < n, q < k, j < m

``start`` is a matrix whose rows lie `start_step` apart: out itself, to add to it; a bias, with a step of 0; or nothing. A bias
written to out first, and read again, would cost two passes more.

With rows[i] = i k and columns[q] = q this is the product with a matrix as it lies. With rows the places where windows of a
signal begin, and columns the steps from there to each number of a window, it is a convolution: the matrix of windows, several
times as large as the signal where windows overlap, is two short lists. With the lists exchanged it is that matrix transposed.

How it is computed: ``out`` is cut into tiles of `ROWS` rows by one or two vector registers. A tile stays in registers while
q runs; each step reads one row of b for all rows of the tile, and one number of a for each row:

    for q:  tile[r, :] += a[rows[i + r] + columns[q]] * b[q, j : j + width]           r < ROWS

What hangs over the right edge is masked. For the rows that are left below the last whole tile there is one that, past the last
row, computes the last row again and writes the same numbers to the same place. To ask in every tile which rows are there would
take a small product as long as its multiply-adds: 32 x 16 x 16.

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
from llvmlite import ir

from modnet.kernels.compiled import inline, inline_always
from modnet.kernels.jit import JIT_DISABLED, cgutils, intrinsic, types
from modnet.kernels.memory import flat
from modnet.kernels.simd import INT, VECTOR_BYTES, Registers, either, place_of
from modnet.kernels.target import WIDE

#: Rows of a tile of three registers a row, and of one or two: sums, factors and the numbers that they are multiplied by must
#: find room in the register file.
ROWS3, ROWS = (8, 8) if WIDE else (4, 6)
DEPTH = 256  # steps of q before the next tile: as many rows of b, three registers wide, stay in the nearest caches


def _tiles(
    registers: int, height: int = ROWS, size: int = VECTOR_BYTES, is_full: bool = False, is_rest: bool = False
) -> Any:
    """Make the intrinsic that computes a strip of the product, in tiles of `height` rows by so many registers of `size` bytes.

    ``tiles(first, width, a, a_at, rows, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, start, start_at,
    start_step)`` sets `width` numbers from out_at on, in rows `first` to n - 1, whole tiles unless `is_rest`, by `depth` steps
    from q on; b begins at the row of q. rows and columns are lists of places, or the distance between one and the next. All
    registers but the last are full, and that, too, if `is_full`.
    """
    first_partial = registers if is_full else registers - 1

    @intrinsic
    def tiles(
        typingctx, first, width, a, a_at, rows, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, start, start_at,
        start_step,
    ):  # fmt: skip
        integer = types.int64
        signature = types.void(
            integer, integer, a, integer, rows, integer, columns, integer, integer, b, integer, integer, out, integer, integer,
            start, integer, integer,
        )  # fmt: skip

        def codegen(context, builder, signature, arguments):
            (first, *arguments), kinds = arguments, signature.args[1:]
            v = Registers(context, builder, kinds[1].dtype, size)
            count = context.make_array(kinds[14])(context, builder, arguments[14]).nitems
            has_start = builder.icmp_signed(">", count, INT(0))
            offsets = [INT(v.lanes * register) for register in range(registers)]
            inside = [
                None if c < first_partial else v.below(builder.sub(arguments[0], o)) for c, o in enumerate(offsets)
            ]
            with cgutils.for_range_slice(builder, first, arguments[4], INT(height), INT, inc=True) as (i, _):
                tile(context, builder, kinds, arguments, v, i, has_start, offsets, inside)
            return context.get_dummy_value()

        return signature, codegen

    def tile(context, builder, kinds, arguments, v, i, has_start, offsets, inside):
        _, a, a_at, rows, n, columns, q, depth, b, b_at, b_step, out, out_at, out_step, start, start_at, start_step = arguments
        place = partial(place_of, context, builder)

        def listed(kind, where, index):
            if isinstance(kind, types.Array):
                return builder.load(place(kind, where, index))
            return builder.mul(where, index)

        def places(kind, array, at, where):
            """Where each row of a tile begins; rows from n on are row n - 1 again."""
            last, here = builder.sub(n, INT(1)), None
            for r in range(height):
                row = builder.add(i, INT(r))
                if is_rest:
                    row = builder.select(builder.icmp_signed("<", row, n), row, last)
                if is_rest or r == 0 or isinstance(where[0], types.Array):
                    here = place(kind, array, builder.add(at, listed(*where, row)))
                else:
                    here = builder.gep(here, [where[1]])
                yield here

        # LLVM is not to know how these places are connected: it would compute one from the other in the innermost loop.
        row_of_a = [
            builder.asm(ir.FunctionType(row.type, [row.type]), "", "=r,0", [row], False)
            for row in places(kinds[1], a, a_at, (kinds[3], rows))
        ]
        row_of_out = list(places(kinds[11], out, out_at, (kinds[13], out_step)))
        row_of_start = list(places(kinds[14], start, start_at, (kinds[16], start_step)))
        cells = [(r, c) for r in range(height) for c in range(registers)]

        empty = builder.block
        starting, begin = builder.append_basic_block("starting"), builder.append_basic_block("begin")
        builder.cbranch(has_start, starting, begin)
        builder.position_at_end(starting)
        there = [v.load(builder.gep(row_of_start[r], [offsets[c]]), inside[c]) for r, c in cells]
        started = builder.block
        builder.branch(begin)
        builder.position_at_end(begin)
        starts = [either(builder, v.vector, (v.zero, empty), (found, started)) for found in there]

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
        # Keeps LLVM from unrolling the loop: addresses of rows would no longer fit into registers, and narrow tiles take twice
        # as long.
        once = builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
        once.attributes.add("convergent")
        following = builder.add(step, INT(1))
        grown_in = builder.block
        for phi, first, more in zip([step, *sums], [INT(0), *starts], [following, *grown]):
            phi.add_incoming(first, begin)
            phi.add_incoming(more, grown_in)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)

        builder.position_at_end(done)
        results = [either(builder, v.vector, (first, begin), (more, grown_in)) for first, more in zip(starts, grown)]
        for result, (r, c) in zip(results, cells):
            v.store(result, builder.gep(row_of_out[r], [offsets[c]]), inside[c])

    return tiles


_three, _two, _one = _tiles(3, ROWS3, is_full=True), _tiles(2), _tiles(1)
_half, _quarter = _tiles(1, size=VECTOR_BYTES // 2), _tiles(1, size=VECTOR_BYTES // 4)
_rest = _tiles(1, ROWS // 2, is_rest=True)


@inline
def _strips(a, a_at, rows, n, columns, k, b, b_at, b_step, m, out, out_at, out_step, start, start_at, start_step):
    """The product in strips of columns, each as wide as tiles serve it."""
    lanes = VECTOR_BYTES // out.itemsize
    for q in range(0, max(k, 1), DEPTH):
        depth = min(k - q, DEPTH)
        if q > 0:
            start, start_at, start_step = out, out_at, out_step
        j = 0
        while j < m:
            left = m - j
            width = 3 * lanes if left >= 3 * lanes else min(left, 2 * lanes)
            height = ROWS3 if width > 2 * lanes else ROWS
            whole = n // height * height
            strip = (
                a, a_at, rows, whole, columns, q, depth, b, b_at + q * b_step + j, b_step, out, out_at + j, out_step, start,
                start_at + j, start_step,
            )  # fmt: skip
            if width > 2 * lanes:
                _three(0, width, *strip)
            elif width > lanes:
                _two(0, width, *strip)
            elif 2 * width > lanes:
                _one(0, width, *strip)
            elif 4 * width > lanes:
                _half(0, width, *strip)
            else:
                _quarter(0, width, *strip)
            for c in range(j, j + width if whole < n else j, lanes):
                _rest(
                    whole, min(lanes, j + width - c), a, a_at, rows, n, columns, q, depth, b, b_at + q * b_step + c, b_step,
                    out, out_at + c, out_step, start, start_at + c, start_step,
                )  # fmt: skip
            j += width


@inline
def product(a, a_at, rows, columns, b, b_at, out, out_at, m, start, start_at, start_step):
    """(1): out (n, m) = start + a (n, k) @ b (k, m).

    Parameters
    ----------
    a : the array read through the lists; element (i, q) lies at ``a_at + rows[i] + columns[q]`` of its flat memory.
    rows (n,), columns (k,) : int64.
    b, out, start : vectors in whose memory the matrices begin at b_at, out_at and start_at; rows of b and of out follow each
        other, those of start lie start_step apart; a start of no numbers stands for zeros.
    m : columns of b, out and start.

    All arrays are C-contiguous and of one type; out shares no memory with a or b. No place is checked.
    """
    n, k = rows.size, columns.size
    _strips(a, a_at, rows, n, columns, k, b, b_at, m, m, out, out_at, m, start, start_at, start_step)


@inline_always
def product_by_steps(a, row_step, column_step, n, k, b, b_step, m, out, out_step, start, start_step):
    """out (n, m) = start + a @ b (k, m); element (i, q) of a lies at ``i row_step + q column_step``.

    All are vectors. So a is a matrix as it lies, with the steps k and 1, or one that lies transposed, with 1 and n.
    """
    _strips(a, 0, row_step, n, column_step, k, b, 0, b_step, m, out, 0, out_step, start, 0, start_step)


PANEL = 3 * VECTOR_BYTES  # bytes of a row of b.T that are turned over at a time: as wide as the widest tile


@inline_always
def turn_over(b, j, width, q, depth, panel):
    """panel (depth, three registers) = b[j : j + width, q : q + depth].T, for a tile to read: rows of b.T lie across b.

    It is turned over in blocks of a register by a register, which stay in registers meanwhile.
    """
    lanes, k = VECTOR_BYTES // b.itemsize, b.shape[1]
    wide = 3 * lanes
    b = flat(b)
    for c in range(0, width, lanes):
        for r in range(0, depth, lanes):
            _turn(b, (j + c) * k + q + r, k, min(lanes, width - c), min(lanes, depth - r), panel, r * wide + c, wide)


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


def plain_product(a, a_at, rows, columns, b, b_at, out, out_at, m, start, start_at, start_step):
    """`product` in numpy: the matrix of windows is made, and multiplied."""
    n, k = rows.size, columns.size
    windows = a.reshape(-1)[a_at + rows[:, None] + columns]
    result = windows @ b[b_at : b_at + k * m].reshape(k, m)
    if start.size:
        result += start[start_at + np.arange(n)[:, None] * start_step + np.arange(m)]
    out[out_at : out_at + n * m] = result.reshape(-1)


if JIT_DISABLED:
    product = plain_product
