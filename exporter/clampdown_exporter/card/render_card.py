"""The model card, ``README.md`` of a bundle: front matter as on the Hugging Face hub, and prose."""

import json
import re
from collections.abc import Mapping

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from clampdown_exporter.report.figures import measure_figures
from clampdown_exporter.report.notation import percent
from clampdown_runtime.bundle.manifest import Manifest

TEMPLATE = "model_card.md.jinja"
CARD_FILE = "README.md"


def render_card(manifest: Manifest, tensors: Mapping[str, NDArray[np.generic]]) -> str:
    """Write the card: equal bundles give equal cards.

    Args:
        manifest: of the bundle; its digests are not needed yet.
        tensors: those of the bundle's ``calibration.safetensors``, see docs/calibration.md.
    """
    environment = Environment(
        loader=PackageLoader("clampdown_exporter", "card"),
        # Markdown, in which HTML's escapes would be shown; names go through the filters below.
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "code": _code, "yaml": json.dumps}
    figures = measure_figures(manifest.mode, manifest.threshold, tensors)
    return environment.get_template(TEMPLATE).render(manifest=manifest, figures=figures)


def _code(name: str) -> str:
    """A name as code, in which Markdown and HTML mean nothing; it comes with a model of strangers.

    A cell of a table ends at ``|`` even there.
    """
    line = "".join(c if c.isprintable() else " " for c in name).replace("|", "\\|") or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"
