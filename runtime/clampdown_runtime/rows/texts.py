"""What counts as a text that a model can classify."""

from collections.abc import Iterable, Mapping

from clampdown_runtime.errors import RowsError

Pair = tuple[str, str]
Text = str | Pair
"""What a model reads at once: a text, or two where it was trained on pairs."""


def text_or_pair(text: str, text_pair: str | None) -> Text:
    """What a model reads of a row, which may have a second text."""
    return text if text_pair is None else (text, text_pair)


def require_text_or_pair(given: object, thing: str, *, pairs: bool) -> Text:
    """Refuses what a model of single texts, or one of pairs, cannot classify.

    Args:
        given: a text, or a pair of texts.
        thing: its name in the error message, such as its line.
        pairs: whether the model reads pairs.

    Returns:
        The text or the pair.

    Raises:
        RowsError: it is not what the model reads, or a text is not one, see :func:`require_text`.
    """
    both = tuple(given) if isinstance(given, tuple | list) else ()
    if len(both) == 2 and pairs:
        first, second = both
        return require_text(first, thing), require_text(second, f"{thing}, the second of its pair")
    if len(both) == 2:
        raise RowsError(
            thing,
            found="a pair of texts",
            expected="a single text, as the clean rows of this bundle were",
            hint="Leave the second text out if it is no part of the input, or calibrate the model "
            "on clean rows with `text_pair`.",
        )
    if pairs:
        raise RowsError(
            thing,
            found="a single text" if isinstance(given, str) else f"a {type(given).__name__}",
            expected="a pair of texts, which this bundle's model reads",
            hint="Pass (text, text_pair) in Python, {text, text_pair} in JavaScript, or a file "
            "with the columns `text` and `text_pair`.",
        )
    return require_text(given, thing)


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


def require_texts(texts: Iterable[Text]) -> None:
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
