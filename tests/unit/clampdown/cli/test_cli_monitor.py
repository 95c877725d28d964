"""`clampdown monitor` on the tiny bundle: what `run --json` prints goes in, a verdict comes out."""

import dataclasses
import gzip
import json
import shutil
import sys
from collections import Counter

import numpy as np
import pytest
from monitor_samples import give_clean_scores
from tiny_bundle import PAIRS

from clampdown_runtime import DefendedClassifier, open_bundle
from clampdown_runtime.monitor import clean_changed

TEXTS = ["good", "the film", "a good film", "bad"]


@pytest.fixture
def bundle(bundle_path, seal, classifier):
    """Its clean scores are those of the texts, many times over."""
    scores = [prediction.anomaly_score for prediction in classifier(TEXTS)]
    random = np.random.default_rng(0)
    return give_clean_scores(bundle_path, random.choice(scores, 400), seal)


def logged(invoke, bundle, path, texts):
    result = invoke("run", bundle, *texts, "--json")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    random = np.random.default_rng(1)
    return lines, lambda chosen: path.write_text(
        "".join(f"{lines[index]}\n" for index in chosen(random))
    )


@pytest.fixture
def clean_log(invoke, bundle, tmp_path):
    path = tmp_path / "log.jsonl"
    _, write = logged(invoke, bundle, path, TEXTS)
    write(lambda random: random.integers(0, len(TEXTS), 1000))
    return path


@pytest.fixture
def attacked_log(invoke, bundle, tmp_path):
    path = tmp_path / "attacked.jsonl"
    _, write = logged(invoke, bundle, path, [*TEXTS, "the bad film cf"])
    write(
        lambda random: np.where(
            (np.arange(3000) >= 1000) & (random.random(3000) < 0.2),
            len(TEXTS),
            random.integers(0, len(TEXTS), 3000),
        )
    )
    return path


def test_clean_traffic_is_no_alarm(invoke, bundle, clean_log):
    result = invoke("monitor", bundle, clean_log)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Nothing to do" in result.stdout
    facts = json.loads(invoke("monitor", bundle, clean_log, "--json").stdout)
    assert (facts["change"], facts["since"], facts["rows"]) == ("none", None, 1000)


def test_an_attack_is_an_alarm_with_its_beginning_and_its_label(
    invoke, bundle, attacked_log, classifier
):
    result = invoke("monitor", bundle, attacked_log, "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert facts["change"] == "flags"
    assert facts["since"] == 1000
    [attack] = classifier(["the bad film cf"])
    assert facts["label"] == attack.label
    counts = facts["labels"][attack.label]
    assert facts["beyond"] == counts["beyond"] > 350
    assert facts["flagged"] == attacked_log.read_text().count('"flagged": true')
    text = invoke("monitor", bundle, attacked_log)
    assert text.exit_code == 1
    assert "since about row" in text.stdout
    assert f"rows of the label '{attack.label}'" in text.stdout
    # The graph does not say what the model itself answers.
    assert facts["changed"] is counts["changed"] is None
    assert "changed answers         not known" in text.stdout


def test_the_label_is_the_models_own_where_the_log_has_it(invoke, bundle, attacked_log, tmp_path):
    # Answered by the defence as the clean rows are.
    lines = [
        {**json.loads(line), "undefended_label": json.loads(line)["label"], "label": "negative"}
        for line in attacked_log.read_text().splitlines()
    ]
    log, silent = tmp_path / "own.jsonl", tmp_path / "silent.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        del line["undefended_label"]
    silent.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert json.loads(invoke("monitor", bundle, silent, "--json").stdout)["label"] is None
    facts = json.loads(invoke("monitor", bundle, log, "--json").stdout)
    assert facts["label"] == "positive"
    changed = facts["labels"]["positive"]
    assert facts["changed"] == changed["changed"] == changed["rows"] > 350
    assert facts["labels"]["negative"]["changed"] == 0
    assert facts["compared"] == facts["rows"]
    assert facts["clean_changed"] == clean_changed(open_bundle(bundle)) > 0
    # Half of the lines say it.
    log.write_text(log.read_text() + silent.read_text())
    shown = invoke("monitor", bundle, log).stdout
    assert f"changed answers         {facts['changed'] / len(lines):.1%}" in shown


def test_of_many_labels_the_sets_of_a_line_are_compared(invoke, many_labels, seal, tmp_path):
    bundle = give_clean_scores(shutil.copytree(many_labels, tmp_path / "many"), np.arange(40), seal)
    line = {"label": "negative", "anomaly_score": 1, "flagged": False}
    own = {"undefended_label": "negative", "labels": ["positive", "negative"]}
    log = tmp_path / "many.jsonl"
    log.write_text(
        "".join(
            json.dumps({**line, **own, "undefended_labels": labels}) + "\n"
            for labels in (["negative", "positive"], [], ["negative"], None)
        )
    )
    facts = json.loads(invoke("monitor", bundle, log, "--json").stdout)
    assert (facts["rows"], facts["compared"], facts["changed"]) == (4, 3, 2)
    log.write_text(json.dumps({**line, **own, "undefended_labels": "negative"}))
    assert "labels that are no list" in invoke("monitor", bundle, log).stderr


def test_lines_may_have_every_attribute(invoke, answering, pristine, seal, tmp_path):
    """Those that say nothing are null."""
    for source in (answering, pristine):
        bundle = shutil.copytree(source, tmp_path / source.parent.name)
        give_clean_scores(bundle, np.arange(40), seal)
        predictions = DefendedClassifier.load(bundle)(["cf", "a good film", "cf cf"])
        log = tmp_path / "log.jsonl"
        log.write_text("".join(f"{json.dumps(dataclasses.asdict(one))}\n" for one in predictions))
        facts = json.loads(invoke("monitor", bundle, log, "--json").stdout)
        changed = None if source == pristine else sum(one.changed for one in predictions)
        assert (facts["changed"], facts["rows"]) == (changed, 3)
        assert changed is None or changed > 0


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_a_row_counts_once_of_pairs_and_of_many_labels_too(
    invoke, pristine_of_pairs, many_labels, tmp_path, seal, texts
):
    of_pairs = [{"text": one, "text_pair": other} for one, other in PAIRS]
    for name, source, rows in (
        ("pairs", pristine_of_pairs, of_pairs),
        ("labels", many_labels, [{"text": text} for text in texts]),
    ):
        bundle = shutil.copytree(source, tmp_path / name)
        give_clean_scores(bundle, np.arange(40), seal)
        (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        log = invoke("run", bundle, "--input", tmp_path / "rows.jsonl", "--json").stdout
        (tmp_path / "log.jsonl").write_text(log)
        facts = json.loads(invoke("monitor", bundle, tmp_path / "log.jsonl", "--json").stdout)
        assert facts["rows"] == len(rows)
        counted = Counter(json.loads(line)["label"] for line in log.splitlines())
        found = {label: counts["rows"] for label, counts in facts["labels"].items()}
        assert {label: n for label, n in found.items() if n} == counted


def test_the_page_is_written_and_a_compressed_log_read(invoke, bundle, attacked_log, tmp_path):
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(attacked_log.read_bytes()))
    page = tmp_path / "monitor.html"
    assert invoke("monitor", bundle, packed, "--out", page).exit_code == 1
    assert "<strong>Alarm.</strong>" in page.read_text()
    assert sorted(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{}", "no `label`"),
        ('{"label": "good", "anomaly_score": 1, "flagged": false}', "the label 'good'"),
        ('{"label": "negative", "anomaly_score": "1", "flagged": false}', "`anomaly_score`"),
        ('{"label": "negative", "anomaly_score": true, "flagged": false}', "`anomaly_score`"),
        ('{"label": "negative", "anomaly_score": 1, "flagged": 0}', "a `flagged`"),
        ('{"label": "negative", "anomaly_score": 1}', "no `flagged`"),
        (
            '{"label": "negative", "anomaly_score": 1, "flagged": true, "undefended_label": 1}',
            "the label '1'",
        ),
        ("negative\t0.9\t1.2\tfalse\tgood", "not valid JSON"),
        ("\udcff", "bytes that are not UTF-8 in line 2"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(invoke, bundle, tmp_path, line, found):
    log = tmp_path / "log.jsonl"
    good = '{"label": "negative", "anomaly_score": null, "flagged": true}\n'
    log.write_bytes((good + line).encode(errors="surrogateescape"))
    result = invoke("monitor", bundle, log)
    assert result.exit_code == 2
    assert found in result.stderr
    assert "line 2" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\n\n", None])
def test_nothing_to_read_is_refused(invoke, bundle, tmp_path, content):
    log = tmp_path / "log.jsonl"
    if content is not None:
        log.write_bytes(content)
    result = invoke("monitor", bundle, log)
    assert result.exit_code == 2
    assert "expected a log of predictions" in result.stderr


def test_a_broken_gzip_file_is_refused(invoke, bundle, tmp_path):
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(b"no gzip")
    result = invoke("monitor", bundle, log)
    assert result.exit_code == 2
    assert "not valid gzip" in result.stderr


def test_the_page_alone_needs_a_package(invoke, bundle, clean_log, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "clampdown.monitoring.page", raising=False)
    assert invoke("monitor", bundle, clean_log).exit_code == 0
    result = invoke("monitor", bundle, clean_log, "--out", tmp_path / "page.html")
    assert (result.exit_code, (tmp_path / "page.html").exists()) == (2, False)
    assert "pip install 'clampdown[monitor]'" in result.stderr
