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

#: The name of a kernel in its object.
SYMBOL = "modnet_kernel"

_RUNTIME_OURS = ("NRT_MemInfo_alloc_aligned", "NRT_MemInfo_call_dtor")

# What numba's runtime would do. The kernel that asks gives back before it ends, so nobody else sees this memory; the places of
# the fields are those of numba's runtime, because compiled code counts references and reads the address by itself.
_RUNTIME = """
target triple = "{triple}"
declare ptr @malloc(i64)
declare void @free(ptr)

define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %alignment) {{
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

define void @NRT_MemInfo_call_dtor(ptr %found) {{
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


def alone(library: Any, symbol: str) -> tuple[bytes, list[str]] | None:
    """The object of a kernel, whose function is `SYMBOL`, and what it calls; None if it needs numba.

    Parameters
    ----------
    library : what numba has made of it, with all that it calls, not yet optimised; changed. symbol : of the kernel there.
    """
    import llvmlite.binding as llvm
    from numba.core.compiler_lock import global_compiler_lock

    with global_compiler_lock:
        library._ensure_finalized()
        module = library._final_module
        if any(function.name in _RUNTIME_OURS for function in module.functions):
            module.link_in(llvm.parse_assembly(_RUNTIME.format(triple=module.triple)))
        library.optimize()
        if any(value.name.startswith("numba.dynamic.globals") for value in module.global_variables):
            return None  # addresses of this process
        # Not before: LLVM copies what nobody else sees into its callers, and convolutions then take 1.15 times as long.
        for i, value in enumerate([*module.functions, *module.global_variables]):
            if value.name == symbol:
                value.name, value.linkage = SYMBOL, "external"
            elif not value.is_declaration and not value.name.startswith("llvm."):
                value.name, value.linkage = f"m{i}", "internal"
        machine = library._codegen._tm
        passes = llvm.create_new_module_pass_manager()
        passes.add_global_dead_code_eliminate_pass()
        passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
        module.verify()
        code: bytes = machine.emit_object(module)
    calls = undefined(code)
    return None if calls is None or not set(calls) <= C | OURS else (code, calls)
