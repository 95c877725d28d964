"""What calib and exporter do is replaced where a command alone is tested."""

from types import SimpleNamespace

import pytest


@pytest.fixture
def packages(replace_package):
    """Replaces what calib and exporter do; the calls that they get are noted."""
    calls = []

    def calibrate(*arguments, **keys):
        calls.append(("calibrate", arguments, keys))
        return SimpleNamespace(summary=lambda: {"layers": ["a", "b"], "kept": 0.99})

    def fit(*arguments, **keys):
        calls.append(("fit", arguments, keys))
        return "fitted"

    def export(*arguments, **keys):
        calls.append(("export", arguments, keys))
        return exported(arguments[2])

    def write_bundle(*arguments, **keys):
        calls.append(("write_bundle", arguments, keys))
        return exported(arguments[1])

    def exported(out):
        facts = {"bundle": str(out), "largest_difference": 1e-6, "threshold": 4.5}
        return SimpleNamespace(summary=lambda: facts)

    def move_threshold(*arguments, **keys):
        calls.append(("move_threshold", arguments, keys))
        return SimpleNamespace(threshold=2.5, frr=keys["frr"], frr_measured=0.08)

    def verify(bundle, **keys):
        calls.append(("verify", (bundle,), keys))
        return ["golden.json: row 1", "config.json: is\nmissing"] if bundle.name == "bad" else []

    calib, exporter = "clampdown_calib", "clampdown_exporter"
    replace_package(f"{calib}.run_calibration", calibrate=calibrate)
    replace_package(f"{calib}.fit", fit=fit)
    replace_package(f"{calib}.graphs.tracing.optimum_trace", require_optimum=lambda: None)
    replace_package(f"{exporter}.run_export", export=export, write_bundle=write_bundle)
    replace_package(f"{exporter}.bundle.move_threshold", move_threshold=move_threshold)
    replace_package(f"{exporter}.verification.verify", verify=verify)
    replace_package(f"{exporter}.text_input.with_tokenizer", extensions_library=lambda: None)
    return calls
