"""Names of a package that are imported when they are first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from clampdown_runtime.sessions.providers import import_onnxruntime


def on_demand(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__``.

    The command line needs the types of the options, and torch takes seconds to import.

    Args:
        package: its name.
        modules: by public name, the module of the package that holds it.
    """

    def attribute(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # First: it says which build to install, where the modules would fail to import it.
        import_onnxruntime()
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return attribute
