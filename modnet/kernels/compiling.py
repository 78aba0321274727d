"""How numba compiles kernels and the functions that they call: no machine code before the whole kernel is there.

numba optimises each function with all that it calls, makes machine code of it, and then does the same for each of its callers,
which copy it. Nobody runs the machine code of a helper. So a function is only typed and written in LLVM's language here, and
what a kernel gathers is optimised once (`modnet.kernels.objects`).
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from numba.core import ir, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, Flags, StateDict
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

from modnet.kernels.jit import Intrinsic
from modnet.kernels.keys import is_of_library

#: What the library's own kernels have no use for: closures, `with`, expressions of whole arrays, errors that are made at
#: run time. They take a tenth of a compilation.
_NEEDLESS = {
    "with_lifting", "inline_closure_likes", "Rewrite dynamic raises", "make_function_op_code_to_jit_function",
    "find_literally", "literal_unroll", "LiteralPropagation", "inline_overloads", "nopython_rewrites", "annotate_types",
    "dump_parfor_diagnostics",
}  # fmt: skip


@cache
def _function_passes(codegen: Any) -> tuple[Any, Any]:
    found: tuple[Any, Any] = codegen._function_pass_manager()
    return found


class Library(JITCodeLibrary):
    """Code that is linked into others, or written into an object, and never run by itself."""

    counts = True  # references, to know when memory can be given back

    def _optimize_functions(self, ll_module: Any) -> None:
        """What numba does, with passes made once: a loop that branches is not vectorised later unless this comes first."""
        ll_module.data_layout = self._codegen._data_layout
        passes, builder = _function_passes(self._codegen)
        for function in ll_module.functions:
            if not function.is_declaration:
                passes.run(function, builder)

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
class _Lower(NativeLowering):
    _name = "lower"

    def run_pass(self, state: Any) -> bool:
        context = state.targetctx
        state.library = Library(context.codegen(), state.func_id.func_qualname)
        state.library.counts = not is_of_library(state.func_id.modname) or _counts_references(state)
        state.flags = state.flags.copy()
        state.flags.no_compile = True
        state.targetctx = context.subtarget(enable_nrt=state.library.counts)
        super().run_pass(state)
        state.targetctx = context
        lowered = state["cr"]
        # numba knows a function by what Python calls: a builtin, another one for each. This one would only raise.
        key = cast(Any, []).pop
        context.insert_user_function(key, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


def _counts_references(state: Any) -> bool:
    """Whether a function must count references to arrays: unless all of them are given to it, or are views that own nothing.

    This is for the library's own functions, which never assign an array to a slice, where numba allocates. What one gives back
    has to be such a view, too: its caller may count.
    """
    models, names = state.targetctx.data_model_manager, state.typemap
    gives = models[state.return_type].contains_nrt_meminfo()
    assigned = [one for block in state.func_ir.blocks.values() for one in block.find_insts(ir.Assign)]
    given = {one.target.name for one in assigned if isinstance(one.value, ir.Arg)}
    for one in assigned:
        value, operation = one.value, getattr(one.value, "op", "")
        if isinstance(value, ir.Arg) or not models[names[one.target.name]].contains_nrt_meminfo():
            continue
        if operation == "call" and _owns_nothing(names[value.func.name], state.calltypes[value]):
            continue
        if operation in ("getattr", "getitem", "static_getitem") and not gives:
            continue
        if isinstance(value, ir.Var) or operation in ("build_tuple", "cast"):
            used = [value] if isinstance(value, ir.Var) else value.list_vars()
            if not (gives and given & {variable.name for variable in used}):
                continue
        return True
    return False


def _owns_nothing(function: Any, signature: Any) -> bool:
    """Whether the arrays that a call gives are views of memory that somebody else keeps."""
    if isinstance(function, types.Dispatcher):
        called = function.dispatcher.overloads.get(tuple(signature.args))
        return called is not None and not getattr(called.library, "counts", True)
    made = getattr(function, "typing_key", None)
    return isinstance(made, Intrinsic) and not made.takes_memory


class Compiler(CompilerBase):
    """The usual passes, but for the last, and for some that the library does not need."""

    def define_pipelines(self) -> list[Any]:
        return [_passes(is_of_library(self.state.func_id.modname))]


@cache
def _passes(is_of_library: bool) -> Any:
    made = DefaultPassBuilder.define_nopython_pipeline(StateDict(flags=Flags(), func_ir=None))
    found = [(_Lower if each is NativeLowering else each, told) for each, told in made.passes]
    made.passes = [(each, told) for each, told in found if not (is_of_library and each._name in _NEEDLESS)]
    made.finalize()
    return made
