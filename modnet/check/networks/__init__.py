"""Networks of students: how they put their layers together, go back through them, and train."""

from modnet.check.networks.whole import check_network

__all__ = ["check_network"]
