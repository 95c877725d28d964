"""Finding data files inside installed packages without importing those packages."""

from importlib.util import find_spec
from pathlib import Path

from clampdown_runtime.errors import ClampdownError


def packaged_path(package: str, *parts: str) -> Path:
    """Locate a file or folder that an installed package carries.

    The package is not imported: the demo wants its data, not its dependencies.

    Args:
        package: the import name of a top-level package.
        parts: the path inside the package.

    Returns:
        The existing path.

    Raises:
        ClampdownError: the package is not installed, or does not hold that path.
    """
    inside = Path(*parts)
    spec = find_spec(package)
    folders = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    for folder in folders:
        if (folder / inside).exists():
            return folder / inside
    raise ClampdownError(
        f"the demo's package {package}",
        found=f"no {inside} in it" if folders else "that it is not installed",
        expected=f"it to be installed and to hold {inside}",
        hint="Install the demo's packages: pip install 'clampdown[demo]'",
    )
