"""Says which extra to install when a package of one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from clampdown_runtime.errors import ClampdownError

_PACKAGES = frozenset(
    (
        *("jinja2", "onnx", "onnx_ir", "onnxscript", "safetensors", "torch", "transformers"),
        *("mlflow", "model_signing", "opentelemetry", "prometheus_client", "pyarrow", "ray"),
    )
)


@contextmanager
def needs_extra(what: str, extra: str = "export") -> Iterator[None]:
    """Turn a missing package into an error that says what to install.

    Args:
        what: what needs the package, such as ``defend``.
        extra: the extra of the distribution ``clampdown`` that holds it.

    Raises:
        ClampdownError: a package of the extras could not be imported inside the block.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise ClampdownError(
            what,
            found=f"no package {package}",
            expected=f"the packages of the extra `{extra}`",
            hint=f"Run pip install 'clampdown[{extra}]'.",
        ) from error
