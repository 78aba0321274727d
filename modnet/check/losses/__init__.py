"""Losses: `check_loss`, and the losses of a hand-in, of the contract or of another style, at data that they take.

`subject` puts a loss behind the questions that modules answer, `mistakes` names what a wrong derivative is, and `means` says
who of a project divides by the size of the batch. Read `check` first.
"""

from modnet.check.losses.check import check_loss

__all__ = ["check_loss"]
