"""What counts as a text that a model can classify."""

from collections.abc import Iterable, Mapping

from clampdown_runtime.errors import RowsError


def require_text(text: object, thing: str) -> str:
    """Refuses what no model can classify.

    Args:
        text: what should be a text.
        thing: its name in the error message, such as its line.

    Returns:
        The text, unchanged.

    Raises:
        RowsError: ``text`` is not a string, is empty or white space, or is not valid Unicode.
    """
    if not isinstance(text, str):
        found = "no text" if text is None else f"a text of the type {type(text).__name__}"
    elif not text.strip():
        found = "a text of white space" if text else "an empty text"
    elif not is_unicode(text):
        found = "a text with half of a surrogate pair"
    else:
        return text
    raise RowsError(
        thing,
        found=found,
        expected="a string with more than white space",
        hint="Correct it or leave it out.",
    )


def is_unicode(text: str) -> bool:
    """Says whether a string is valid Unicode: JSON can hold half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_texts(texts: Iterable[str]) -> None:
    """Refuses what is iterated over without giving texts, such as the keys of a table.

    Raises:
        RowsError: it is one string, a mapping, a table, or nothing to iterate over.
    """
    if isinstance(texts, str | bytes):
        raise RowsError(
            "the texts", found="one string", expected="a list of texts", hint="Pass [text]."
        )
    # Of pandas or pyarrow: a table has columns, while one column alone is a list of texts.
    if isinstance(texts, Mapping) or hasattr(texts, "columns") or not isinstance(texts, Iterable):
        raise RowsError(
            "the texts",
            found=f"a value of the type {type(texts).__name__}",
            expected="a list of texts",
            hint="Pass the column of the texts, such as rows['text'].",
        )
