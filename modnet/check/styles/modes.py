"""Training and evaluation, however a layer of another style is told which it is: an argument, an attribute, a method."""

from __future__ import annotations

import re
from typing import Any

from modnet.check.reading.arguments import positional
from modnet.check.reading.vocabulary import written

_TRAINING = re.compile(
    r"^(is_?)?((in_?)?(train(ing)?|traning)|(for_?)?train\w*|mode|(save|store|keep|cache)_?(cache|inp(uts?)?|x|state|activations?|grads?|for_?backward))$",
    re.I,
)
_FORGETS = re.compile(r"(reset|clear|forget|zero)(?!.*(param|weight|bias|init|eval|train))", re.I)
_EVALUATION = re.compile(r"^(is_?)?(eval(uation|uate)?|test(ing)?|infer(ence)?)(_?(phase|mode|time))?$", re.I)


def is_mode(name: str) -> bool:
    """Whether an argument of this name says that it is training, or evaluation."""
    return bool(_TRAINING.match(name) or _EVALUATION.match(name))


def mode_of(name: str, default: Any, evaluating: bool = False) -> Any:
    """Training, or evaluation, whichever way it is said."""
    if isinstance(default, str) or name == "mode":
        return "test" if evaluating else "train"
    return bool(_EVALUATION.match(name.strip("_"))) == evaluating


def switches_of(module: Any) -> dict[str, Any]:
    """The attributes that say whether it is training."""
    return {n: v for n, v in getattr(module, "__dict__", {}).items() if is_mode(n.strip("_")) and isinstance(v, bool | str)}


def has_eval(module: Any) -> bool:
    """Whether there is a method eval() that is given nothing."""
    method = getattr(module, next(iter(written(module.__class__, ("eval",))), ""), None)
    return callable(method) and not positional(method)


def evaluate(module: Any) -> None:
    """Put a module into evaluation by its method eval()."""
    getattr(module, written(module.__class__, ("eval",))[0])()


def begin_anew(module: Any) -> bool:
    """Forget what earlier batches have left, by the methods that it has for that; whether it has any."""
    held = [m for n in dir(type(module)) if _FORGETS.match(n) and callable(m := getattr(module, n))]
    forgetting = [m for m in held if not any(p.default is p.empty for p in positional(m) or ())]
    for method in forgetting:
        method()
    return bool(forgetting)
