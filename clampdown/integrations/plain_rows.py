"""What adapters whose tables have one text and one label in a row refuse."""

from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.errors import ClampdownError


def require_plain_rows(manifest: Manifest, thing: str) -> None:
    """Refuse a bundle of pairs of texts, or of many labels.

    Args:
        manifest: the bundle's.
        thing: what was asked for, in an error.

    Raises:
        ClampdownError: its rows do not fit.
    """
    if manifest.text_pair or manifest.multi_label:
        kind = "reads pairs of texts" if manifest.text_pair else "gives any number of labels"
        raise ClampdownError(
            thing,
            found=f"a bundle whose model {kind}",
            expected="one that gives a single text one of its labels",
            hint="Use `clampdown run`, or DefendedClassifier, which is what this calls.",
        )
