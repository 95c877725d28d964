"""Writes the architectures that are known into README.md: ``python -m tests.models.readme``."""

import textwrap
from pathlib import Path

from clampdown_calib.models.architectures import ARCHITECTURES

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- architectures -->", "<!-- /architectures -->"


def with_architectures(readme: str) -> str:
    """The text with the list between its two marks made anew."""
    before, marked = readme.split(START)
    _, after = marked.split(END)
    names = ", ".join(f"`{name}`" for name in sorted(ARCHITECTURES))
    # As wide as the rest of the page, and indented like the point of the list that it is in.
    indent = {"initial_indent": "  ", "subsequent_indent": "  "}
    lines = textwrap.wrap(f"{names}. {END}", 120, break_on_hyphens=False, **indent)
    return "\n".join([before + START, *lines]) + after


if __name__ == "__main__":
    README.write_text(with_architectures(README.read_text("utf-8")), "utf-8")
