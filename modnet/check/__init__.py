"""Gradient checking that says what is wrong."""

from modnet.check.modules import check_module
from modnet.check.report import CheckFailed, Finding, Report

__all__ = ["CheckFailed", "Finding", "Report", "check_module"]
