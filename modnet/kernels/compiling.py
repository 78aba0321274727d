"""How numba compiles functions that only compiled functions call: no machine code of their own.

numba optimises each function with all that it calls, makes machine code of it, and then does the same for each of its callers,
which copy it. Nobody runs the machine code of a helper: a kernel is compiled in 0.75 of the time without it, and is as fast.
"""

from __future__ import annotations

from typing import Any, cast

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class _Library(JITCodeLibrary):
    """Code that is linked into others, or written into an object, and never run by itself."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        """Nothing: what it would gain is gained again by each caller, which copies the code."""

    def optimize(self) -> None:
        """What numba does before it makes machine code."""
        super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerHelper(NativeLowering):
    _name = "lower_helper"

    def run_pass(self, state: Any) -> bool:
        state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags = state.flags.copy()
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        # numba knows a function by what Python calls: a builtin, another one for each. This one would only raise.
        key = cast(Any, []).pop
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


class HelperCompiler(CompilerBase):
    """The usual passes, but for the last."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(_LowerHelper if made is NativeLowering else made, told) for made, told in passes.passes]
        passes.finalize()
        return [passes]
