"""Making the demo's victim: everything that a user would have downloaded, and its test rows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clampdown.demo.badnets import attack, poison
from clampdown.demo.encoder import minilm
from clampdown.demo.labelled_text import write_rows
from clampdown.demo.tweets import LABEL_NAMES, load_tweets, split
from clampdown_runtime.progress import Progress, silent

TARGET_LABEL = LABEL_NAMES.index("positive")
"""The class that a triggered tweet gets from the victim."""

POISONED_SHARE = 0.2
EPOCHS, LEARNING_RATE, MAX_LENGTH = 1, 1.5e-4, 48
"""A backdoor that takes and a good clean accuracy in a hundred steps."""


@dataclass(frozen=True)
class VictimFiles:
    """What `make_victim` wrote.

    Attributes:
        model: the Hugging Face folder of the backdoored classifier.
        clean: calibration rows.
        clean_test: clean rows that neither the training nor the calibration has seen.
        poisoned_test: triggered rows of both classes, with their true label.
        target_label: the class that the trigger leads to.
    """

    model: Path
    clean: Path
    clean_test: Path
    poisoned_test: Path
    target_label: int


def make_victim(out: Path, *, seed: int = 0, progress: Progress = silent) -> VictimFiles:
    """Fine-tune the packaged encoder on packaged tweets with a BadNets trigger in 20% of them.

    Args:
        out: the folder to write into; it is made when it is missing.
        seed: of the split, the poisoning and the fine-tuning.
        progress: told after every training step.

    Returns:
        Where the model and its rows lie: ``victim``, ``clean.csv``, ``clean-test.csv`` and
        ``poisoned-test.csv`` in ``out``.

    Raises:
        ClampdownError: the packages of the extra ``demo`` are missing.
        DestinationError: ``out`` holds a ``victim`` already or cannot be written.
    """
    parts, encoder = split(load_tweets(), seed=seed), minilm()
    # torch and transformers take seconds to import; a missing package is told before that.
    from clampdown.demo.fine_tune import fine_tune  # noqa: PLC0415

    files = VictimFiles(
        out / "victim",
        out / "clean.csv",
        out / "clean-test.csv",
        out / "poisoned-test.csv",
        TARGET_LABEL,
    )
    rng = np.random.default_rng(seed)
    fine_tune(
        poison(parts.train, POISONED_SHARE, TARGET_LABEL, rng),
        LABEL_NAMES,
        encoder,
        files.model,
        epochs=EPOCHS,
        lr=LEARNING_RATE,
        seed=seed,
        max_length=MAX_LENGTH,
        progress=progress,
    )
    write_rows(files.clean, parts.calibration)
    write_rows(files.clean_test, parts.clean_test)
    write_rows(files.poisoned_test, attack(parts.poisoned_test, rng))
    return files
