"""Which of a stranger's names is the gradient of which: ``dW1`` of ``W1``, ``grads["weight"]`` of ``params["weight"]``.

A name, or the place of an array within an object, is words. A gradient has those of its parameter, one of them marked, as dW
is; or it is in something that holds gradients. What holds parameters or gradients says nothing of which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from modnet.check.reading.vocabulary import core

#: A gradient's name, made of its parameter's.
_MARKS = (
    "d{}", "dl{}", "dld{}", "grad{}", "grads{}", "gradient{}", "gradients{}", "delta{}",
    "{}grad", "{}grads", "{}gradient", "{}gradients", "{}g", "{}d",
)  # fmt: skip
_SAME = (("w", "ws", "weight", "weights"), ("b", "bs", "bias", "biases"))
#: What holds parameters or gradients and is no name of one: layers[0].params["weight"], w.value, w.grad.
_HOLDS = re.compile(r"_*(param(eter)?s?|values?|data|arrays?|d_?params?|(?P<gradients>grads?|gradients?))_*", re.I)
_HOLDS_BY_KEY = re.compile(r"\w*grad\w*", re.I)


def is_gradient_name(last: str) -> bool:
    """Whether an array of this name is a gradient."""
    return bool(re.search("grad", last, re.I) or (re.match(r"^d_?(ld)?_?[A-Za-z]", last) and last[1:2] != "e"))


def is_gradient_of(name: str, other: str) -> bool:
    """Whether something of this name is the gradient of something of another name, so far as names tell."""
    return core(name) in _marked(core(other))


def partner_of(place: str, every: Mapping[str, Any]) -> str | None:
    """The place of the gradient of a parameter: with the most of its words, of its shape if that is among several."""
    own, shape = _words(place)[0], np.shape(every[place]) if place in every else None
    found = {other: n for other in every if other != place and (n := _common(own, *_words(other)))}
    return min(found, key=lambda other: (-found[other], np.shape(every[other]) != shape), default=None)


def _common(own: tuple[str, ...], words: tuple[str, ...], held: bool) -> int:
    """How many words a gradient's place has of its parameter's, the last ones; 0 if it is none."""
    pairs = list(zip(own[::-1], words[::-1], strict=False))
    marked = [word in _marked(word_of) for word_of, word in pairs]
    alike = all(word in _alike(word_of) or mark for (word_of, word), mark in zip(pairs, marked, strict=True))
    return len(words) if len(words) <= len(own) and alike and (held or any(marked)) else 0


@lru_cache(4096)
def _words(place: str) -> tuple[tuple[str, ...], bool]:
    """The words of a place that say which parameter it is, and whether it is in something that holds gradients."""
    found, held = list[str](), False
    for word, by_key in re.findall(r"(\w+)(\[')?", place):
        holds = _HOLDS.fullmatch(word)
        in_dict = bool(by_key and _HOLDS_BY_KEY.fullmatch(word))
        held = held or in_dict or bool(holds and holds["gradients"])
        if not holds and not in_dict:
            found.append(core(word))
    return tuple(filter(None, found)), held


@lru_cache(4096)
def _alike(word: str) -> frozenset[str]:
    """A word, and others that say the same: weights1 is w1."""
    name, number = re.fullmatch(r"(.*?)(\d*)", word, re.S).groups()  # type: ignore[union-attr]
    names = next((some for some in _SAME if name in some), (name, name + "s", name.removesuffix("s")))
    return frozenset(one + number for one in names)


@lru_cache(4096)
def _marked(word: str) -> frozenset[str]:
    """What the gradient of a parameter of this name may be called."""
    return frozenset(mark.format(one) for one in _alike(word) if one for mark in _MARKS)
