"""What a bundle is: its manifest, its sizes and what it clips into."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clampdown_runtime.bundle.files import Bundle, read_bundle
from clampdown_runtime.bundle.manifest import CALIBRATION_FILE, MANIFEST_NAME, Manifest
from clampdown_runtime.errors import BundleError


@dataclass(frozen=True, slots=True)
class LayerWidths:
    """The widths of the clean intervals of one layer's neurons.

    Attributes:
        layer: the layer's name.
        smallest: the narrowest interval.
        median: the median width.
        largest: the widest interval.
    """

    layer: str
    smallest: float
    median: float
    largest: float


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """The facts of a verified bundle.

    Attributes:
        manifest: its manifest.
        digest: ``sha256:…`` of the manifest's file, which stands for the whole bundle.
        sizes: the bytes of each file, by path with ``/``.
        widths: of each layer's intervals; None when there are none or they cannot be read.
        note: why ``widths`` is None; otherwise None.
    """

    manifest: Manifest
    digest: str
    sizes: dict[str, int]
    widths: tuple[LayerWidths, ...] | None
    note: str | None


def inspect_bundle(path: str | Path) -> BundleFacts:
    """Verify a bundle's digests and gather its facts; the model is not loaded.

    Raises:
        BundleError: the bundle is damaged, incomplete or changed.
    """
    return read_bundle(path, _facts)


def _facts(bundle: Bundle) -> BundleFacts:
    digest, sizes = bundle.digest, _sizes(bundle)
    try:
        widths = _widths(bundle)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "safetensors":
            raise
        note = "the package safetensors is not installed: pip install 'clampdown[export]'"
        return BundleFacts(bundle.manifest, digest, sizes, None, note)
    if widths is None:
        note = "flagged rows are answered with what the earlier layers say, nothing is clipped"
        return BundleFacts(bundle.manifest, digest, sizes, None, note)
    return BundleFacts(bundle.manifest, digest, sizes, widths, None)


def _sizes(bundle: Bundle) -> dict[str, int]:
    files = sorted((*bundle.manifest.files, MANIFEST_NAME))
    try:
        return {file: (bundle.path / file).stat().st_size for file in files}
    except OSError as error:
        raise BundleError(
            str(error.filename),
            found=f"a file that cannot be read ({error.strerror})",
            expected="the file that was verified",
            hint="Keep the bundle as it is while it is read.",
        ) from error


def _widths(bundle: Bundle) -> tuple[LayerWidths, ...] | None:
    # Imported here: it is in the extra `export`, and the rest can be told without it.
    from clampdown_calib.tensor_file import read_tensors  # noqa: PLC0415

    try:
        tensors, metadata = read_tensors(bundle.read(CALIBRATION_FILE))
        if metadata.get("method") == "probe":
            return None
        widths = np.asarray(tensors["upper"] - tensors["lower"])
    except (KeyError, ValueError) as error:
        raise _unusable(bundle, str(error)) from error
    layers = bundle.manifest.layers
    if widths.ndim != 2 or len(widths) != len(layers):
        raise _unusable(bundle, f"intervals of the shape {widths.shape}")
    return tuple(
        LayerWidths(layer, float(row.min()), float(np.median(row)), float(row.max()))
        for layer, row in zip(layers, widths, strict=True)
    )


def _unusable(bundle: Bundle, found: str) -> BundleError:
    return BundleError(
        str(bundle.calibration_path),
        found=found,
        expected=f"`lower` and `upper` of {len(bundle.manifest.layers)} layers",
        hint="Export the bundle again.",
    )
