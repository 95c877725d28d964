"""What counts as a text that a model can classify."""

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
