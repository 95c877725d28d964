"""Puts figures, drawings and words into the page."""

from collections.abc import Mapping

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from clampdown_exporter.report import notation
from clampdown_exporter.report.figures import measure_figures
from clampdown_exporter.report.histogram import draw_histogram
from clampdown_exporter.report.widths import draw_widths
from clampdown_runtime.bundle.manifest import CALIBRATION_FILE, Manifest

TEMPLATE = "report.html.jinja"
REPORT_FILE = "report.html"


def render_report(
    manifest: Manifest, tensors: Mapping[str, NDArray[np.generic]], *, method: str
) -> str:
    """Write the report: equal bundles give equal reports.

    Args:
        manifest: of the bundle; a digest of the report itself is left out, the others are shown.
        tensors: those of the bundle's ``calibration.safetensors``, see docs/calibration.md.
        method: ``probe`` or ``badacts``.

    Returns:
        One HTML page that refers to nothing outside itself and runs no script.
    """
    environment = Environment(
        loader=PackageLoader("clampdown_exporter", "report"),
        # Names and labels come with a model that nobody trusts yet.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (notation.percent, notation.asked_percent, notation.number, notation.ratio):
        environment.filters[write.__name__] = write
    environment.filters["rows"] = notation.rows
    return environment.get_template(TEMPLATE).render(
        manifest=manifest,
        method=method,
        figures=measure_figures(manifest.mode, manifest.threshold, tensors),
        histogram=draw_histogram(
            tensors["clean.fit_scores"], tensors["clean.held_out_scores"], manifest.threshold
        ),
        widths=draw_widths(manifest.layers, tensors["lower"], tensors["upper"])
        if "lower" in tensors
        else None,
        files=sorted(
            (path, digest)
            for path, digest in manifest.files.items()
            # The calibration's digest has a line of its own.
            if path not in (REPORT_FILE, CALIBRATION_FILE)
        ),
        versions=sorted(manifest.versions.items()),
    )
