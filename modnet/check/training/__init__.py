"""Why a training does not learn, found by changing one thing and training again."""

from modnet.check.training.report import TrainingFinding, TrainingReport, Trial
from modnet.check.training.steps import check_steps
from modnet.check.training.why import check_training

__all__ = ["TrainingFinding", "TrainingReport", "Trial", "check_steps", "check_training"]
