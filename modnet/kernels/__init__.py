"""What an author of a kernel imports: operations and declarations, views of memory, matrix products, exp and friends."""

import sys as _sys

from modnet.kernels import jit as _jit
from modnet.kernels import mathfun as mathfun
from modnet.kernels import random as random
from modnet.kernels import softmax_rows as softmax_rows
from modnet.kernels import tiles as tiles
from modnet.kernels import windows as windows
from modnet.kernels.blas import affine, matmul, matmul_nt, matmul_tn
from modnet.kernels.compiled import inline, inline_always
from modnet.kernels.declare import Fixed, Parameter, Setting, Shape, ShapeError, Shared, Size, State
from modnet.kernels.keys import read_sources
from modnet.kernels.loops import add_rows, begin, copy, start
from modnet.kernels.memory import flat, in_rows, matrix_at, room, vector_at
from modnet.kernels.operation import Operation, operation

read_sources()
if "numba" in _sys.modules:
    _jit.numba()  # functions that others compile may call helpers from now on

__all__ = [
    "Fixed",
    "Operation",
    "Parameter",
    "Setting",
    "Shape",
    "ShapeError",
    "Shared",
    "Size",
    "State",
    "add_rows",
    "affine",
    "begin",
    "copy",
    "flat",
    "in_rows",
    "inline",
    "inline_always",
    "matmul",
    "matmul_nt",
    "matmul_tn",
    "matrix_at",
    "operation",
    "room",
    "start",
    "vector_at",
]
