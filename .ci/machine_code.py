"""Compile the library's kernels for plain processors, and write their object code where a wheel brings it.

For x86-64 on Linux the levels are x86-64-v3 (AVX2) and x86-64-v4 (AVX-512); on Linux with another processor there is one,
generic. Elsewhere nothing is written, and kernels are compiled at their first use. A level takes some minutes, in a process
of its own.
`modnet.kernels.shipped` reads what is written here:

    LEVEL.json          what the code was made for; for each key the name, file, place and size, symbols and what it calls
    LEVEL.STREAM.xz     object code, one object after the other: float32, float64, and any
"""

import argparse
import hashlib
import json
import lzma
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

def levels():
    """The levels that can be compiled here."""
    if sys.platform != "linux":
        return []
    return ["x86-64-v3", "x86-64-v4"] if platform.machine() == "x86_64" else ["generic"]


def compile_all(level, folder, only):
    """Compile for the processor that the environment names, and write it: all kernels, or only some."""
    import numpy as np
    from numba.core.callconv import CPUCallConv

    plain = CPUCallConv.build_excinfo_struct
    CPUCallConv.build_excinfo_struct = lambda *given: (*plain(*given)[:2], None)  # without the place of the source here

    from modnet.cli.warmup import kernels
    from modnet.engine.walk import Compiled
    from modnet.kernels import entry, loading, shipped
    from modnet.kernels.compiled import COMPILED, ByAddress
    from modnet.kernels.objects import OURS, SYMBOL, undefined

    began = time.perf_counter()
    for compile in kernels():
        if only and name_of(compile) not in only:
            continue
        for dtype in ("float32", "float64"):
            compile(np.dtype(dtype))
    known = {*loading.C, *OURS, *entry.PYTHON}
    streams, objects = {"float32": [], "float64": [], "any": []}, {}

    def add(key, name, stream, code, symbols):
        assert key is not None, f"{name}: its sources are not certain"
        calls = undefined(code)
        assert set(calls) <= known, f"{name} calls {sorted(set(calls) - known)}, which a process without numba does not have"
        if key in objects:
            return
        start = sum(map(len, streams[stream]))
        streams[stream].append(code)
        objects[key] = [name, stream, start, len(code), symbols, calls]

    for kept, code in COMPILED:
        assert isinstance(code, bytes), f"{kept.name} needs numba"
        add(kept.of_sources(), kept.name, "any" if kept.dtype is None else kept.dtype.name, code, [SYMBOL])
    functions = [value for module in list(sys.modules.values()) if getattr(module, "__name__", "").startswith("modnet.")
                 for value in vars(module).values()]  # fmt: skip
    entries = {(f.letters, f.returns, False) for f in functions if isinstance(f, Compiled)}
    entries |= {(f.letters, "", True) for f in functions if isinstance(f, ByAddress)}
    entries = sorted(entries)
    code = loading.assembled(entry.written(entries))
    add(shipped.entries_key(), "entries from Python", "any", code, [entry.symbol(*each) for each in entries])

    sums, raw, packed = {}, 0, 0
    for stream, codes in streams.items():
        whole = b"".join(codes)
        content = lzma.compress(whole, preset=9 | lzma.PRESET_EXTREME)
        (folder / f"{level}.{stream}.xz").write_bytes(content)
        sums[stream] = hashlib.sha256(content).hexdigest()
        raw, packed = raw + len(whole), packed + len(content)
    index = {"made_for": shipped.made_for(), "level": level, "streams": sums, "objects": objects}
    (folder / f"{level}.json").write_text(json.dumps(index, separators=(",", ":")), encoding="utf-8")
    seconds = time.perf_counter() - began
    print(f"{level}: {len(objects)} objects, {raw / 1e6:.2f} MB, packed {packed / 1e3:.0f} kB, {seconds:.0f} s", flush=True)


def name_of(compile):
    """What a function that compiles a kernel compiles: Linear.forward, walk_epoch."""
    return f"{compile.args[0].__name__}.{compile.func.__self__.name}" if hasattr(compile, "args") else compile.__self__.__name__


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("--levels", nargs="*", default=levels(), help="of processors (default: %(default)s)")
    parser.add_argument("--only", nargs="*", default=[], help="kernels such as Linear.forward or walk_epoch (default: all)")
    parser.add_argument("--here", action="store_true", help="compile in this process, for the processor it is told of")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.here:
        compile_all(*given.levels, given.folder, given.only)
        return
    processes = []  # of all levels at once: numba uses one core
    for level in given.levels:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "MODNET_"))},
            "NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "MODNET_MACHINE_CODE": "0", "MODNET_CACHE_DIR": "/dev/null/none",
            "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        command = [sys.executable, __file__, given.folder.absolute(), "--here", "--levels", level, "--only", *given.only]
        processes.append(subprocess.Popen(command, env=environment, cwd=given.folder))
    if any([process.wait() for process in processes]):
        raise SystemExit("machine_code: not all levels could be compiled")


if __name__ == "__main__":
    main()
