"""What Prometheus and OpenTelemetry are given, as their own packages read it."""

import importlib
import sys

import numpy as np
import prometheus_client
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.parser import text_string_to_metric_families

from clampdown.integrations.opentelemetry import observe
from clampdown.integrations.prometheus import MonitorCollector
from clampdown_runtime import ClampdownError
from clampdown_runtime.monitor import Scale, Snapshot

BUNDLE = "sha256:0"
SCALE = Scale.of(np.arange(40, dtype=np.float32), 35.0)
TIMES = (0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1)


class Counting:
    """A monitor whose counts are known."""

    bundle = BUNDLE

    def snapshot(self):
        scores = tuple(range(1, len(SCALE.clean) + 1))
        labels = ("good", 'b"ad\n')
        return Snapshot(
            BUNDLE, labels, SCALE, (70, 8), (5, 3), (1, 2), (4, 1), 78, scores, 4, TIMES, 12.5
        )


@pytest.fixture
def scraped():
    registry = prometheus_client.CollectorRegistry()
    registry.register(MonitorCollector(Counting()))
    text = prometheus_client.generate_latest(registry).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert {sample.labels.pop("bundle") for sample in samples} == {BUNDLE}
    return samples


def named(samples, name):
    return {tuple(s.labels.values()): s.value for s in samples if s.name == name}


def test_prometheus_reads_rows_by_label(scraped):
    rows = {
        (s.labels["label"], s.labels["flagged"]): s.value
        for s in scraped
        if s.name == "clampdown_rows_total"
    }
    assert rows == {
        ("good", "false"): 65,
        ("good", "true"): 5,
        ('b"ad\n', "false"): 5,
        ('b"ad\n', "true"): 3,
    }
    assert named(scraped, "clampdown_beyond_rows_total") == {("good",): 1, ('b"ad\n',): 2}
    assert named(scraped, "clampdown_changed_rows_total") == {("good",): 4, ('b"ad\n',): 1}
    assert named(scraped, "clampdown_compared_rows_total") == {(): 78}
    assert named(scraped, "clampdown_truncated_rows_total") == {(): 4}


def test_prometheus_reads_histograms(scraped):
    scores = named(scraped, "clampdown_anomaly_score_bucket")
    ends = [float(end) for (end,) in scores]
    assert ends == [*SCALE.edges, np.inf]
    assert list(scores.values()) == np.cumsum(range(1, len(SCALE.clean) + 1)).tolist()
    clean = named(scraped, "clampdown_clean_anomaly_score_bucket")
    assert clean["+Inf",] == 40
    seconds = named(scraped, "clampdown_run_seconds_bucket")
    assert (seconds["0.0025",], seconds["0.005",], seconds["+Inf",]) == (0, 1, 4)
    assert named(scraped, "clampdown_run_seconds_sum") == {(): 12.5}
    assert named(scraped, "clampdown_run_seconds_count") == {(): 4}


def test_opentelemetry_reads_the_same():
    reader = InMemoryMetricReader()
    observe(Counting(), MeterProvider([reader]).get_meter("test"))
    metrics = {
        metric.name: metric
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }

    def points(name):
        data = metrics[name].data
        assert data.is_monotonic
        found = {}
        for point in data.data_points:
            attributes = dict(point.attributes)
            assert attributes.pop("bundle") == BUNDLE
            found[tuple(attributes.values())] = point.value
        return found

    assert points("clampdown.rows") == {
        ("good", False): 65,
        ("good", True): 5,
        ('b"ad\n', False): 5,
        ('b"ad\n', True): 3,
    }
    assert points("clampdown.rows.beyond") == {("good",): 1, ('b"ad\n',): 2}
    assert points("clampdown.rows.changed") == {("good",): 4, ('b"ad\n',): 1}
    assert points("clampdown.rows.compared") == {(): 78}
    assert points("clampdown.rows.truncated") == {(): 4}
    assert points("clampdown.runs") == {(): 4}
    assert points("clampdown.runs.time") == {(): 12.5}
    scores = points("clampdown.rows.scores")
    assert list(scores.values()) == list(range(1, len(SCALE.clean) + 1))
    assert list(scores)[-1] == ("+Inf",)


@pytest.mark.parametrize(
    ("name", "package"), [("prometheus", "prometheus_client"), ("opentelemetry", "opentelemetry")]
)
def test_a_missing_package_says_which_extra_to_install(monkeypatch, name, package):
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"clampdown.integrations.{name}", raising=False)
    with pytest.raises(ClampdownError, match=rf"clampdown\[{name}\]"):
        importlib.import_module(f"clampdown.integrations.{name}")
