"""Clean rows, and rows that people have reviewed, as a bundle's model can read them."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.errors import RowsError
from clampdown_runtime.rows.read_rows import read_rows
from clampdown_runtime.rows.refusals import at
from clampdown_runtime.rows.row import Row
from clampdown_runtime.rows.row_format import RowFormat
from clampdown_runtime.rows.texts import Text, require_text_or_pair, text_or_pair

VERDICT = "verdict"
CLEAN, ATTACK = "clean", "attack"


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows of a file.

    Attributes:
        path: the file.
        rows: all of its rows, or some.
    """

    path: Path
    rows: Sequence[Row]


def read_clean(path: Path, row_format: RowFormat, manifest: Manifest) -> FileRows:
    """Reads a file of clean rows.

    Args:
        path: the file.
        row_format: its columns.
        manifest: of the bundle.

    Raises:
        RowsError: the file cannot be used, or has pairs of texts where the model reads single ones
            or the other way round.
    """
    return FileRows(path, list(_read(path, row_format, manifest)))


def read_reviewed(
    path: Path, row_format: RowFormat, manifest: Manifest, known: FileRows
) -> tuple[FileRows, FileRows]:
    """Reads a file of rows with a verdict.

    Args:
        path: the file.
        row_format: its columns.
        manifest: of the bundle.
        known: the clean rows.

    Returns:
        The rows that are clean and not among the clean rows, and the attacks; each text once.

    Raises:
        RowsError: as of :func:`read_clean`; or a verdict is none or contradicts another one, labels
            are there and not in the clean rows or the other way round, no row is clean, or more of
            them are than there are clean rows.
    """
    verdicts = dataclasses.replace(row_format, label=VERDICT)
    labelled = known.rows[0].given is not None
    seen = {text_of(row): CLEAN for row in known.rows}
    of: dict[str, list[Row]] = {CLEAN: [], ATTACK: []}
    rows = _read(path, row_format, manifest)
    for row, given in zip(rows, read_rows(path, verdicts), strict=True):
        text, where = text_of(row), at(path, row.line)
        if given.label not in of:
            raise RowsError(
                where,
                found=f"the verdict {given.label!r}",
                expected=f"{CLEAN} or {ATTACK}",
                hint="Correct it, or leave out what nobody has reviewed.",
            )
        verdict = str(given.label)
        if seen.setdefault(text, verdict) != verdict:
            raise RowsError(
                where,
                found=f"the verdict {verdict} of a text that is {seen[text]} elsewhere",
                expected="one verdict for each text, and no attack among the clean rows",
                hint="Find out which is right; leave the row out where nobody knows.",
            )
        if (verdict == CLEAN or labelled) and (row.given is not None) != labelled:
            raise RowsError(
                where,
                found="no label" if labelled else "a label",
                expected="labels where the clean rows have them, and none otherwise",
                hint="Give every row the label that people found right, or leave the column out.",
            )
        of[verdict].append(row)
    texts = {text_of(row) for row in known.rows}
    passed = list({text_of(row): row for row in of[CLEAN] if text_of(row) not in texts}.values())
    attacks = list({text_of(row): row for row in of[ATTACK]}.values())
    if not 1 <= len(passed) <= len(known.rows):
        raise RowsError(
            str(path),
            found=f"{len(passed)} clean rows that are new",
            expected=f"at least one and at most {len(known.rows)}, as many as the clean rows are",
            hint="At least half of a calibration has to be rows that no sender could choose: add "
            "clean rows, or leave reviewed ones out at random.",
        )
    return FileRows(path, passed), FileRows(path, attacks)


def text_of(row: Row) -> Text:
    """What a model reads of a row."""
    return text_or_pair(row.text, row.text_pair)


def _read(path: Path, row_format: RowFormat, manifest: Manifest) -> Iterator[Row]:
    """The rows of a file, all of which the bundle's model can read."""
    row_format = dataclasses.replace(row_format, label_lists=manifest.multi_label)
    for row in read_rows(path, row_format):
        require_text_or_pair(text_of(row), at(path, row.line), pairs=manifest.text_pair)
        yield row
