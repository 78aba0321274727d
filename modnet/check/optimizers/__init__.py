"""Optimizers of other courses and books, held to the rule of their name."""

from modnet.check.optimizers.named import check_update, examine_optimizer, examine_rule, is_optimizer, is_rule

__all__ = ["check_update", "examine_optimizer", "examine_rule", "is_optimizer", "is_rule"]
