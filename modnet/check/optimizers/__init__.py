"""Optimizers of other courses and books, held to the rule of their name.

`steppers` finds out how one is called, `holders` has what it moves, and `rules` what each rule does, rightly or by mistake.
Read `named` first.
"""

from modnet.check.optimizers.named import check_update, examine_optimizer, examine_rule, family_of, is_optimizer, is_rule
from modnet.check.optimizers.steppers import METHODS, steps_in_public

__all__ = [
    "METHODS", "check_update", "examine_optimizer", "examine_rule", "family_of", "is_optimizer", "is_rule", "steps_in_public",
]  # fmt: skip
