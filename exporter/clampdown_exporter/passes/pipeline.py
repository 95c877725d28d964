"""The passes of each mode, in order."""

import onnx_ir as ir

from clampdown_calib.badacts.insert_clips import InsertClips
from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.detectors import Detector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.graphs.hidden_shapes import HideShapes
from clampdown_exporter.passes.badacts.second_pass import SecondPass
from clampdown_exporter.passes.insert_answer import InsertAnswer
from clampdown_exporter.passes.insert_statistic import InsertStatistic
from clampdown_runtime.bundle.manifest import Mode, Representation
from clampdown_runtime.errors import ExportError


def passes_of(
    mode: Mode,
    detector: Detector,
    answer: Answer | Intervals,
    representation: Representation,
    *,
    threshold: float,
) -> tuple[ir.passes.PassBase, ...]:
    """The passes that turn a marked graph into a defended one.

    Args:
        mode: ``detect`` leaves the logits alone, ``purify`` purifies every row,
            ``detect-then-purify`` the flagged ones.
        detector: fitted on the run that its score is taken from.
        answer: to purified rows; or the bounds float32 ``[L, H]`` of the marked layers into which
            the published method clips them.
        representation: the token that the published detector reads.
        threshold: scores over it are flagged.
    """
    statistic = InsertStatistic(detector, representation, threshold)
    if isinstance(answer, Answer):
        return {
            "detect-then-purify": (
                statistic,
                InsertAnswer(answer, every_row=False),
                HideShapes(),
            ),
            "purify": (statistic, InsertAnswer(answer, every_row=True), HideShapes()),
            "detect": (statistic, HideShapes()),
        }[mode]
    clips = InsertClips(answer)
    return {
        "detect-then-purify": (clips, statistic, SecondPass(), HideShapes()),
        "purify": (clips, statistic, HideShapes()),
        "detect": (statistic, HideShapes()),
    }[mode]


def rewrite(model: ir.Model, passes: tuple[ir.passes.PassBase, ...]) -> ir.Model:
    """Apply the passes in place.

    Raises:
        ExportError: a pass refused the graph; the message names it.
    """
    for rewrite_pass in passes:
        try:
            rewrite_pass(model)
        except (ir.passes.InvariantError, ir.passes.PassError) as error:
            raise ExportError(
                f"The pass {type(rewrite_pass).__name__}",
                found=str(error.__cause__ or error),
                expected="a graph as this pass requires it",
                hint="Calibrate this very model again; if that does not help, report the model's "
                "architecture.",
            ) from error
    return model
