"""The fenced blocks of a page, by section."""

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = "```"


@dataclass(frozen=True)
class Block:
    """One fenced block: the word behind its fence, and what is in it."""

    language: str
    text: str


def sections(page: Path) -> dict[str, list[Block]]:
    """Every section that has a block, by its heading of the second level."""
    found: dict[str, list[Block]] = {}
    section, language, lines = "", None, []
    for line in page.read_text("utf-8").splitlines():
        if language is not None and line == FENCE:
            found.setdefault(section, []).append(Block(language, "\n".join(lines)))
            language = None
        elif language is not None:
            lines.append(line)
        elif line.startswith(FENCE):
            language, lines = line.removeprefix(FENCE).strip(), []
        elif line.startswith("## "):
            section = line.removeprefix("## ")
    if language is not None:
        raise ValueError(f"{page}: the last block of {section!r} has no end")
    return found


def commands(text: str) -> list[str]:
    r"""The lines of a shell block, those that end with ``\`` together with the next."""
    return [one for one in re.split(r"(?<!\\)\n", text) if one.strip()]
