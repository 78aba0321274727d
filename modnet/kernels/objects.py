"""Object code of a kernel that needs nothing of numba to run.

Most of what numba compiles here calls the C library and BLAS alone, and its object serves as it is. A kernel that takes memory
calls numba's runtime: it is written anew with that part along.
"""

from __future__ import annotations

import struct
from typing import Any

from modnet.kernels.loading import C

#: Names that a process has once this library is imported, beside those of the C library.
OURS = frozenset(("modnet_sgemm", "modnet_dgemm", "modnet_products", "modnet_threads"))

_RUNTIME_OURS = {"NRT_MemInfo_alloc_aligned": "modnet_take", "NRT_MemInfo_call_dtor": "modnet_give"}

# What numba's runtime would do. The kernel that asks gives back before it ends, so nobody else sees this memory; the places of
# the fields are those of numba's runtime, because compiled code counts references and reads the address by itself.
_RUNTIME = """
target triple = "{triple}"
declare ptr @malloc(i64)
declare void @free(ptr)

define internal ptr @modnet_take(i64 %size, i32 %alignment) {{
entry:
  %step = zext i32 %alignment to i64
  %with = add i64 %size, 48
  %whole = add i64 %with, %step
  %found = call ptr @malloc(i64 %whole)
  %none = icmp eq ptr %found, null
  br i1 %none, label %nothing, label %fill
nothing:
  ret ptr null
fill:
  %first = ptrtoint ptr %found to i64
  %after = add i64 %first, 48
  %past = add i64 %after, %step
  %last = sub i64 %past, 1
  %mask = sub i64 0, %step
  %begin = and i64 %last, %mask
  store i64 1, ptr %found
  %f1 = getelementptr i64, ptr %found, i64 1
  store i64 0, ptr %f1
  %f2 = getelementptr i64, ptr %found, i64 2
  store i64 0, ptr %f2
  %f3 = getelementptr i64, ptr %found, i64 3
  store i64 %begin, ptr %f3
  %f4 = getelementptr i64, ptr %found, i64 4
  store i64 %size, ptr %f4
  %f5 = getelementptr i64, ptr %found, i64 5
  store i64 0, ptr %f5
  ret ptr %found
}}

define internal void @modnet_give(ptr %found) {{
  call void @free(ptr %found)
  ret void
}}
"""


def undefined(code: bytes) -> list[str] | None:
    """Names that an object refers to and does not define, from the symbols of an ELF file of 64 bits; None for other files."""
    if code[:5] != b"\x7fELF\x02":
        return None
    (at,) = struct.unpack_from("<Q", code, 40)
    size, count, _ = struct.unpack_from("<HHH", code, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, at + i * size) for i in range(count)]
    found = []
    for _, kind, _, _, start, length, link, *_ in sections:
        if kind == 2:  # symbols
            names = code[sections[link][4] : sections[link][4] + sections[link][5]]
            for place in range(start, start + length, 24):
                name, _, _, section, _, _ = struct.unpack_from("<IBBHQQ", code, place)
                text = names[name : names.index(b"\0", name)].decode()
                if section == 0 and text:
                    found.append(text)
    return sorted(found)


def alone(library: Any, symbol: str) -> tuple[bytes, str, list[str]] | None:
    """The object of a kernel that numba has compiled, its symbol, and what it calls; None if it needs numba."""
    code: bytes = library._get_compiled_object()
    calls = undefined(code)
    if calls is None:
        return None
    if set(calls) & set(_RUNTIME_OURS):
        code, symbol = lean(library, symbol), "modnet_kernel"
        calls = undefined(code) or []
    return (code, symbol, calls) if set(calls) <= C | OURS else None


def lean(library: Any, symbol: str) -> bytes:
    """The code of one kernel with nothing that others could see, and without numba's runtime."""
    import llvmlite.binding as llvm

    module = llvm.parse_bitcode(library._final_module.as_bitcode())
    assert any(function.name == symbol and not function.is_declaration for function in module.functions), symbol
    runtime = llvm.parse_assembly(_RUNTIME.format(triple=module.triple))
    for function in module.functions:
        ours = _RUNTIME_OURS.get(function.name)
        if ours and function.is_declaration:
            function.name = ours
    needed = {function.name for function in module.functions}
    if needed & {"modnet_take", "modnet_give"}:
        for function in runtime.functions:
            if not function.is_declaration:
                function.linkage = "external"
        module.link_in(runtime)
    for value in [*module.functions, *module.global_variables]:
        if value.is_declaration:
            continue
        if value.name == symbol:
            value.name, value.linkage = "modnet_kernel", "external"
        elif not value.name.startswith("llvm."):
            value.linkage = "internal"
    inside = [v for v in [*module.functions, *module.global_variables] if v.linkage == llvm.Linkage.internal]
    for i, value in enumerate(inside):
        value.name = f"m{i}"
    tuning = llvm.create_pipeline_tuning_options()
    builder = llvm.create_pass_builder(library._codegen._tm, tuning)
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)
    module.verify()
    made: bytes = library._codegen._tm.emit_object(module)
    return made
