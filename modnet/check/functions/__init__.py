"""Functions instead of classes: `check_backward`, and the pairs, activations and losses that a file has as functions.

`pairs` fills what `NAME_forward` and `NAME_backward` ask for, `found` makes classes of functions and their derivatives, and
`weighted` asks losses with the weights in them. Read `check` first.
"""

from modnet.check.functions.check import check_backward

__all__ = ["check_backward"]
