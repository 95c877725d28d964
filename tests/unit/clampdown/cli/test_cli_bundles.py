"""The commands that check and change a bundle hand their options over."""

import json
from pathlib import Path

import pytest

from clampdown_runtime.bundle.digests import file_digest


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (("--frr", "0.05"), {"frr": 0.05, "value": None}),
        (("--value", "-1.5"), {"frr": None, "value": -1.5}),
    ],
)
def test_threshold(invoke, packages, pristine, options, keys):
    digest = file_digest(pristine / "clampdown.json")
    given = ("threshold", pristine, *options, "--expect", digest, "--json")
    result = invoke(*given)
    assert result.exit_code == 0, result.output
    assert packages == [("move_threshold", (pristine,), {**keys, "expected_digest": digest})]
    assert json.loads(result.stdout) == {
        "threshold": 2.5,
        "frr": keys["frr"],
        "frr_measured": 0.08,
        "digest": digest,
    }


@pytest.mark.parametrize("options", [(), ("--frr", "0.1", "--value", "2")])
def test_threshold_takes_exactly_one_of_rate_and_value(invoke, packages, options):
    result = invoke("threshold", "b", *options)
    assert result.exit_code == 2
    assert "--frr or --value" in result.stderr
    assert packages == []


@pytest.mark.usefixtures("packages")
def test_verify_of_a_whole_bundle(invoke, pristine):
    digest = file_digest(pristine / "clampdown.json")
    result = invoke("verify", pristine)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"{pristine}: no differences", f"digest {digest}"]
    assert json.loads(invoke("verify", pristine, "--json").stdout) == {
        "bundle": str(pristine),
        "digest": digest,
        "signed": False,
        "valid": True,
        "differences": [],
    }


def test_verify_takes_the_provider_and_the_expected_digest(invoke, packages):
    invoke("verify", "good", "--provider=openvino", "--expect=sha256:12")
    given = {"provider": "openvino", "expected_digest": "sha256:12"}
    assert packages == [("verify", (Path("good"),), given)]


@pytest.mark.usefixtures("packages")
def test_verify_prints_what_differs_with_status_1(invoke, bundle_path):
    bad = bundle_path.rename(bundle_path.with_name("bad"))
    result = invoke("verify", bad)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["golden.json: row 1", r"config.json: is\nmissing"]
    result = invoke("verify", bad, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["valid"] is False
