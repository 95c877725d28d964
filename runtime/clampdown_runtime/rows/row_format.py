"""What a user says about a file of rows."""

from dataclasses import dataclass

from clampdown_runtime.errors import RowsError

LABEL = "label"
"""The one name of a column of labels that may be missing."""

PAIR = "text_pair"
"""The one name of a column of second texts that may be missing; Transformers calls it so."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How the columns of a file of rows are named and parted.

    Attributes:
        text: the column of the texts, or their key in JSON.
        label: the column of the labels. A file may lack ``label``, and then its rows have none;
            any other name has to be there. None where no labels are wanted.
        delimiter: what parts the cells of ``.csv`` and ``.tsv`` files, one character; None for a
            comma or a tab after the extension. Other formats have none.
        text_pair: the column of the second texts, where the rows are pairs. A file may lack
            ``text_pair``, and then its rows are single texts; any other name has to be there.
        label_lists: a row may have any number of labels: a list, or in ``.csv`` and ``.tsv`` names
            with ``|`` between them. The commands set it where a model gives many labels.

    Raises:
        RowsError: one column is to be two things, or the delimiter is none.
    """

    text: str = "text"
    label: str | None = LABEL
    delimiter: str | None = None
    text_pair: str = PAIR
    label_lists: bool = False

    def __post_init__(self) -> None:
        if self.text == self.label:
            raise RowsError(
                "The columns of texts and labels",
                found=f"{self.text!r} for both",
                expected="two columns",
                hint="Name two columns.",
            )
        if self.text_pair != PAIR and self.text_pair in (self.text, self.label):
            raise RowsError(
                "The column of the second texts",
                found=f"{self.text_pair!r}, which is another column's name",
                expected="a column of its own",
                hint="Name another column.",
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

    @property
    def pair(self) -> str | None:
        """The column of the second texts; None where its usual name is given to another one."""
        return None if self.text_pair in (self.text, self.label) else self.text_pair


DEFAULT_FORMAT = RowFormat()
"""Of a file with a column ``text`` and perhaps ``text_pair`` and ``label``."""
