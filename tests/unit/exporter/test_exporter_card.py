"""The model card and the bill of materials: of the bundle's figures, and as others read them."""

import json

import pytest
import report_samples
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from clampdown_exporter.card.ml_bom import bill_of_materials
from clampdown_exporter.card.render_card import render_card
from clampdown_runtime import ModelIdentity

HOSTILE = "x`y\n---\n# <script>|"


def card(manifest=None, **keys):
    text = render_card(manifest or report_samples.manifest(), report_samples.tensors(**keys))
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def bill(manifest=None, **keys):
    text = bill_of_materials(manifest or report_samples.manifest(), report_samples.tensors(**keys))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text)


def test_card_has_the_reports_figures():
    front, body = card()
    assert front["pipeline_tag"] == "text-classification"
    [result] = front["model-index"][0]["results"]
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    figures = report_samples.manifest(), report_samples.tensors()
    scores = figures[1]["clean.held_out_scores"]
    assert values["FRR"] == (scores > figures[0].threshold).mean()
    assert values["CACC, undefended"] == figures[1]["clean.correct_undefended"].mean()
    assert "| FRR, clean rows that are flagged | 9.5" in body
    assert "`negative`, `positive`" in body


def test_without_labels_there_are_no_accuracies():
    front, body = card(labels=False)
    [result] = front["model-index"][0]["results"]
    assert [metric["name"] for metric in result["metrics"]] == ["FRR"]
    assert "CACC" not in body
    metrics = bill(labels=False)["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]
    assert [metric["type"] for metric in metrics["performanceMetrics"]] == ["FRR"]


def test_names_of_strangers_stay_names():
    model = ModelIdentity(HOSTILE, HOSTILE, report_samples.MODEL_DIGEST)
    hostile = report_samples.manifest(model=model, labels=(HOSTILE, "b"))
    front, body = card(hostile)
    assert front["model-index"][0]["name"] == HOSTILE
    assert "\n# <script>" not in body
    assert r"`` x`y --- # <script>\| ``" in body
    assert bill(hostile)["components"][0]["name"] == HOSTILE


def test_bill_lists_every_file_and_package():
    manifest = report_samples.manifest()
    found = bill(manifest)
    defended = found["metadata"]["component"]
    listed = {f["name"]: f"sha256:{f['hashes'][0]['content']}" for f in defended["components"]}
    assert listed == manifest.files
    assert defended["hashes"][0]["content"] in manifest.files[manifest.model_file]
    assert {c["name"] for c in found["components"]} == {"tweets", *manifest.versions}
    assert found["components"][0]["properties"][0]["value"] == manifest.model.digest


@pytest.mark.parametrize("make", [card, bill])
def test_equal_bundles_have_equal_ones(make):
    assert make() == make()
    assert make() != make(report_samples.manifest(threshold=100.0))


def test_serial_number_is_another_with_other_files():
    one, other = (
        bill(),
        bill(report_samples.manifest(files={**report_samples.DIGESTS, "new": one_digest()})),
    )
    assert one["serialNumber"] != other["serialNumber"]


def one_digest():
    return f"sha256:{1:064x}"
