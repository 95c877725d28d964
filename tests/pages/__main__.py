"""Follows pages word for word: each section in a new environment, as a stranger would.

python -m tests.pages docs/fleet.md docs/monitoring.md
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.pages.follow import ROOT, Followed, follow
from tests.pages.materials import write_materials
from tests.pages.sections import sections


def main() -> int:
    """The exit status is 1 where a section failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--section", action="append", help="follow this one alone")
    options = parser.parse_args()
    rows: list[tuple[Path, str, int, Followed]] = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        pip = _pip(place)
        (place / "materials").mkdir()
        write_materials(place / "materials")
        for page in options.pages:
            for section, blocks in sections(page).items():
                if options.section and section not in options.section:
                    continue
                print(f"{page}, {section} ...", file=sys.stderr, flush=True)
                # Folders of gigabytes end with the section.
                with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as own:
                    followed = follow(blocks, place / "materials", Path(own) / "section", pip)
                rows.append((page, section, len(blocks), followed))
    print("| page | section | packages | blocks | result |\n|---|---|---|---|---|")
    for page, section, blocks, followed in rows:
        result = "failed" if followed.failure else "ran"
        count = f"{followed.ran} of {blocks}"
        print(f"| {page} | {section} | {followed.packages} | {count} | {result} |")
    for page, section, _, followed in rows:
        for line in followed.not_run:
            print(f"\nnot run: {page}, {section}: {line}")
        if followed.failure:
            print(f"\nfailed: {page}, {section}\n{followed.failure}")
    return int(not rows or any(followed.failure for *_, followed in rows))


def _pip(place: Path) -> dict[str, str]:
    """One cache for all sections, and torch as `make` installs it.

    Every other package is the newest, as strangers get it.
    """
    pinned = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    constraints = place / "constraints.txt"
    constraints.write_text("\n".join(line for line in pinned if line.startswith("torch==")))
    return {"PIP_CACHE_DIR": str(place / "pip"), "PIP_CONSTRAINT": str(constraints)}


if __name__ == "__main__":
    sys.exit(main())
