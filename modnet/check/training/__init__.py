"""Why a training does not learn, found by changing one thing and training again.

What is given becomes a `Setup`, a training as a value; a `Change` proposes the cure of one mistake, and `search` tries them
within a budget. Read `why` first.
"""

from modnet.check.training.report import TrainingFinding, TrainingReport, Trial
from modnet.check.training.why import check_training

__all__ = ["TrainingFinding", "TrainingReport", "Trial", "check_training"]
