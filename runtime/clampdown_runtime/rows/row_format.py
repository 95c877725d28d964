"""What a user says about a file of rows."""

from dataclasses import dataclass

from clampdown_runtime.errors import RowsError

LABEL = "label"
"""The one name of a column of labels that may be missing."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How the columns of a file of rows are named and parted.

    Attributes:
        text: the column of the texts, or their key in JSON.
        label: the column of the labels. A file may lack ``label``, and then its rows have none;
            any other name has to be there. None where no labels are wanted.
        delimiter: what parts the cells of ``.csv`` and ``.tsv`` files, one character; None for a
            comma or a tab after the extension. Other formats have none.

    Raises:
        RowsError: one column is to be both, or the delimiter is none.
    """

    text: str = "text"
    label: str | None = LABEL
    delimiter: str | None = None

    def __post_init__(self) -> None:
        if self.text == self.label:
            raise RowsError(
                "The columns of texts and labels",
                found=f"{self.text!r} for both",
                expected="two columns",
                hint="Name two columns.",
            )
        if self.delimiter is not None and (
            len(self.delimiter) != 1 or self.delimiter in '"\r\n\0\ufeff'
        ):
            raise RowsError(
                "The delimiter",
                found=repr(self.delimiter),
                expected="one character, and no quote or line end",
                hint="Pass the character between two cells, such as ;",
            )


DEFAULT_FORMAT = RowFormat()
"""Of a file with a column ``text`` and perhaps ``label``."""
