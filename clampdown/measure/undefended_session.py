"""The model without its defence: what a bundle is measured against."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clampdown.extras import needs_extra
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.writing.working_folder import scratch_folder


@contextmanager
def undefended_file(bundle: Bundle) -> Iterator[Path]:
    """Write the bundle's graph without its defence into a temporary folder.

    Args:
        bundle: a verified bundle.

    Yields:
        The ONNX file; it is gone when the block ends.

    Raises:
        ClampdownError: a package of the extra ``export`` is missing.
        ExportError: the graph is not one that this release defended.
    """
    with scratch_folder() as folder:
        path = folder / "undefended.onnx"
        with needs_extra("the undefended model"):
            from clampdown_exporter import write_undefended  # noqa: PLC0415 - imports torch

            write_undefended(bundle, path)
        yield path
