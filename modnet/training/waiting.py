"""The kernels of a training, compiled before it begins: on several cores, with a bar that says what the wait is for."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from modnet.engine.program import is_ours, is_wired
from modnet.engine.storage import has_storage
from modnet.engine.walk import shuffle, walk_epoch, walk_forward
from modnet.kernels import ahead
from modnet.kernels.called import by_steps, turned
from modnet.kernels.target import MASKED
from modnet.kernels.targets import read_labels
from modnet.loss import ClassLoss
from modnet.training.progress import in_notebook, is_watched

#: What was looked for: by the storage of a network, and by all that kernels depend on.
_asked: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()
_done: set[Any] = set()


def kernels_of(modules: Iterable[type], loss: type, optimizer: type, dtype: Any, few: bool = False) -> list[ahead.Kernel]:
    """The kernels of a compiled training, the dearest first.

    Parameters
    ----------
    modules : classes of the network's modules, each as often as it is there, or twice. loss, optimizer : classes.
    few : whether products have so few rows that none is made by tiles.
    """
    kinds: Any = loss
    forward, backward, hits = kinds.operations
    at_once = kinds.in_one_pass
    counts = Counter(modules)
    found = [(kind, getattr(kind, "operations", ())) for kind in counts]
    products = sum(counts[kind] for kind, operations in found if any(op and op.multiplies for op in operations))
    if few or not MASKED:
        products = 0
    of_loss = [forward, backward, hits] if at_once is None else [at_once]
    return [
        *ahead.of_functions([walk_epoch], dtype),
        *ahead.of_class(loss, of_loss, dtype),
        *ahead.of_functions([by_steps] * (products > 0) + [turned] * (products > 1), dtype),
        *[kernel for kind, operations in found for kernel in ahead.of_class(kind, operations, dtype)],
        *ahead.of_class(optimizer, [optimizer.step], dtype),  # type: ignore[attr-defined]
        *ahead.of_functions([shuffle, *[read_labels] * issubclass(loss, ClassLoss)], dtype),
    ]


def begin_compiling(
    modules: Iterable[type], loss: type, optimizer: type, dtype: Any, few: bool = False, predicts: bool = True,
    next_modules: Iterable[type] = (),
) -> ahead.Ahead | None:
    """Let another process begin with the kernels of a training, if some are missing; then with those of predictions.

    Parameters
    ----------
    modules, loss, optimizer, dtype, few : see `kernels_of`. predicts : whether predictions follow at once.
    next_modules : classes that the training after it will need.
    """
    if ahead.begun() is not None:
        return ahead.begun()
    kernels = kernels_of(modules, loss, optimizer, dtype, few)
    walk = ahead.of_functions([walk_forward], dtype)
    after = [kernel for kind in next_modules for kernel in ahead.of_class(kind, kind.operations, dtype)]  # type: ignore[attr-defined]
    return ahead.begin([*kernels, *walk], after) if predicts else ahead.begin(kernels, [*walk, *after])


def compile_kernels(net: Any, loss: Any, optimizer: Any, wanted: bool | None, few: bool) -> None:
    """Compile the kernels of a training that are missing, if it will have a compiled walk; see `kernels_of` for few.

    A bar shows it if there is one for the epochs: `wanted` as `fit` has it. To look for all kernels takes longer than a short
    training, so it is done once for all networks of these modules, and to see that takes 1 us for one that was trained before.
    """
    if not has_storage(net):
        return
    kinds, asked = (type(loss), type(optimizer)), _asked.setdefault(net.storage, set())
    if (*kinds, few) in asked:
        return
    asked.add((*kinds, few))
    counts = Counter(type(leaf) for leaf in net.leaves()) if is_wired(net) or is_ours(net) else {}
    if not counts or not all(getattr(kind, "is_compiled", False) for kind in (*counts, *kinds)):
        return
    modules = frozenset((kind, min(count, 2)) for kind, count in counts.items())
    key = (modules, *kinds, net.storage.dtype, few)
    if key in _done:
        return
    _done.add(key)
    found = begin_compiling([kind for kind, count in modules for _ in range(count)], *key[1:], predicts=False)
    if found is None:
        return
    if not (wanted or (wanted is None and is_watched())):
        found.finish(lambda done: None)
        return
    from tqdm import tqdm

    with tqdm(
        file=sys.stdout if in_notebook() else sys.stderr, total=found.count, initial=found.done, leave=False, delay=0.2,
        desc="compiling kernels, once", bar_format="{desc} |{bar:24}| {n_fmt}/{total_fmt} {elapsed}",
    ) as bar:  # fmt: skip

        def show(done: int) -> None:
            bar.n = done
            bar.refresh()

        found.finish(show)
