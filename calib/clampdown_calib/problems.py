"""What is fitted for a classifier that chooses one class, and for one of many labels."""

from collections.abc import Mapping

from clampdown_calib.detectors import ExcessDetector, LabelExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.evidence.label_answer import LabelAnswer
from clampdown_runtime.bundle.manifest import ProblemType

EXCESS: Mapping[ProblemType, type[ExcessDetector]] = {
    "single_label_classification": ExcessDetector,
    "multi_label_classification": LabelExcessDetector,
}

ANSWERS: Mapping[ProblemType, type[Answer]] = {
    "single_label_classification": Answer,
    "multi_label_classification": LabelAnswer,
}
