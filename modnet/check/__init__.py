"""Gradient checking that says what is wrong."""

from __future__ import annotations

from typing import Any

from modnet.check.against_torch import compare_with_torch
from modnet.check.functions import check_backward
from modnet.check.losses import check_loss
from modnet.check.modules import check_module
from modnet.check.networks import check_network, check_steps
from modnet.check.optimizers import check_update
from modnet.check.report import CheckFailed, Finding, Report
from modnet.check.training import check_training


def assert_gradients(module: Any, input: Any, **options: Any) -> None:
    """`check_module` as a test: `CheckFailed`, an AssertionError whose text is the report, if something is wrong.

    Parameters
    ----------
    module, input : as for `check_module`. options : its further ones.
    """
    check_module(module, input, **options).raise_if_failed()


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook ``%check`` and ``%%check``: what ``%load_ext modnet.check`` calls. See `modnet.check.notebook`."""
    from modnet.check.notebook import register

    register(shell)


__all__ = [
    "CheckFailed",
    "Finding",
    "Report",
    "assert_gradients",
    "check_backward",
    "check_loss",
    "check_module",
    "check_network",
    "check_steps",
    "check_training",
    "check_update",
    "compare_with_torch",
    "load_ipython_extension",
]
