"""Defends the model of a case from end to end, and says what came of it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from peft import AutoPeftModelForSequenceClassification
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from clampdown import defend
from clampdown_runtime import ClampdownError, DefendedClassifier
from clampdown_runtime.rows.texts import Text
from tests.models.build import build, clean_texts
from tests.models.case import Case

TOLERANCE = 1e-4
"""Of a logit, relative to the larger of it and 1."""

ROWS = 60
TEXTS = [
    "good",
    "the film was not very good and the book was bad",
    "a day " * 200,
    "電影很好看，我喜歡。 映画はとても良かった",
    "so good 😀 👩‍👩‍👧 naïve CAFÉ",
]
"""Short, longer, longer than any model here takes, of other scripts, with emoji: together in one
batch each but the longest is padded."""

PAIRS = [*zip(TEXTS, [*TEXTS[1:], TEXTS[0]], strict=True), (TEXTS[2], TEXTS[2] + "x"), ("a", "b")]
"""The long text is the first one, the second one, and both."""


@dataclass(frozen=True)
class Outcome:
    """The largest difference of a logit from transformers' own, or the error."""

    difference: float | None
    error: ClampdownError | None = None

    def described(self) -> str:
        """For a person."""
        if self.error is None:
            return f"a difference of {self.difference:.2g}"
        return f"{type(self.error).__name__}: {self.error}"


def run_case(case: Case, place: Path) -> Outcome:
    """Anything but a ``ClampdownError`` comes through."""
    model = build(case, place / "model")
    clean = place / "clean.csv"
    rows = clean_texts(ROWS)
    if case.pairs:
        rows = ["text,text_pair", *map(",".join, zip(rows, rows[::-1], strict=True))]
    else:
        rows = ["text", *rows]
    clean.write_text("\n".join(rows) + "\n")
    try:
        defend(
            model,
            clean,
            place / "bundle",
            layers=case.layers,
            representation=case.representation,
        )
    except ClampdownError as error:
        return Outcome(None, error)
    classifier = DefendedClassifier.load(place / "bundle", threads=1)
    texts = PAIRS if case.pairs else TEXTS
    # No row is flagged, so that the logits are the undefended model's.
    encoded = classifier.tokenizer.encode(texts)
    found = classifier.run_encoded(encoded, threshold=np.inf).logits
    expected = _by_transformers(model, texts, classifier.manifest.max_length)
    return Outcome(float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1))))


def _by_transformers(folder: Path, texts: Sequence[Text], max_length: int) -> np.ndarray:
    """Logits by the model and the tokenizer that transformers loads, one row at a time.

    Of single texts what the tokenizer emits is left to the model's defaults, but for the ids and
    the mask: a model with one token type has no row for a second one. Of pairs it is fed all.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_model, kind = folder, AutoModelForSequenceClassification
        if (folder / "adapter_config.json").is_file():
            # peft's own, which adds the matrices while it runs; the base's tokenizer.
            of_model, kind = folder.with_name("base"), AutoPeftModelForSequenceClassification
        tokenizer = AutoTokenizer.from_pretrained(of_model)
        model = kind.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        pair = not isinstance(text, str)
        given = text if pair else (text,)
        encoded = tokenizer(*given, truncation=True, max_length=max_length, return_tensors="pt")
        names = encoded.keys() if pair else ("input_ids", "attention_mask")
        fed = {name: encoded[name] for name in names}
        with torch.no_grad():
            rows.append(model(**fed).logits[0].numpy())
    return np.array(rows)
