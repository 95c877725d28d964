"""Writes the API reference from the docstrings of the public names: ``make api``."""

from importlib import import_module
from pathlib import Path

import pdoc

PACKAGES = ("clampdown", "clampdown_runtime", "clampdown_calib", "clampdown_exporter")


def main() -> None:
    """Write ``build/api``."""
    for package in map(import_module, PACKAGES):
        # pdoc does not see what a package imports on demand.
        for name in package.__all__:
            setattr(package, name, getattr(package, name))
    pdoc.render.configure(docformat="google")
    pdoc.pdoc(*PACKAGES, output_directory=Path("build/api"))


if __name__ == "__main__":
    main()
