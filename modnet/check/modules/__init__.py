"""Modules: `check_module`, and classes of a hand-in, which are built, given an input and put to it.

`contract` builds classes of the contract's kind, `other_styles` those of other courses and books, each with its options tried;
`evaluation` asks layers in evaluation. Read `check` first.
"""

from modnet.check.modules.check import check_module

__all__ = ["check_module"]
