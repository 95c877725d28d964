"""A report as a page: well-formed, safe, readable by everybody and on a phone."""

import dataclasses
import html
import re
import subprocess

import pytest
from chromium import chromium_or_skip
from report_samples import DIGESTS, METHODS, MODEL_DIGEST, MODES, Balance, manifest, report, tensors

from clampdown_exporter.report import render_report
from clampdown_runtime import ModelIdentity


def test_what_comes_from_the_model_is_escaped():
    evil = "<script>alert(1)</script>\"'><img onerror=x>"
    page = render_report(
        manifest(
            2,
            model=ModelIdentity(evil, evil, MODEL_DIGEST),
            labels=(evil, "b" + evil),
            layers=(f"{evil}.0", f"{evil}.1"),
            versions={evil: evil},
            files={**DIGESTS, evil: evil},
            clampdown_version=evil,
        ),
        tensors(2),
        method="badacts",
    )
    assert "<script" not in page
    assert "<img" not in page
    assert "\"'>" not in page
    assert page.count(html.escape(evil)[:30]) >= 9
    Balance().feed(page)


def test_labels_in_the_drawing_are_escaped():
    named = dataclasses.replace(manifest(), layers=("a.<b>0</b>", "a.<b>1</b>"))
    page = render_report(named, tensors(2), method="badacts")
    assert "<b>" not in page
    assert ">&lt;b&gt;1&lt;/b&gt;</text>" in page


def test_the_page_refers_to_nothing_and_runs_nothing():
    page = report()
    for outside in ("http:", "https:", "//", "src=", "href", "url(", "@import", "<script", "<link"):
        assert outside not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize("count", [1, 6, 48])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
def test_pages_are_well_formed(mode, count, method):
    parser = Balance()
    parser.feed(report(mode=mode, count=count, method=method))
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))


@pytest.mark.parametrize("method", METHODS)
def test_drawings_have_names_for_those_who_do_not_see_them(method):
    page = report(method=method)
    for labelled in re.findall(r'role="img" aria-labelledby="(.*?)"', page):
        for name in labelled.split():
            assert f'id="{name}"' in page


LONG = "someone/" + "a-very-long-name-" * 6 + "x" * 80


@pytest.mark.chromium
@pytest.mark.parametrize(("method", "panels"), [("probe", 6), ("badacts", 7)])
def test_nothing_overflows_on_a_phone(tmp_path, method, panels):
    page = report(
        method=method,
        given=tensors(48),
        model=ModelIdentity(LONG, "bert", MODEL_DIGEST),
        labels=(LONG, "short"),
        layers=tuple(f"{LONG}.{i}.{LONG}{i}" for i in range(48)),
        threshold=-1.2345e-7,
        versions={LONG: LONG},
    ).replace("<details>", "<details open>")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe style="border:0;width:360px;height:800px" srcdoc="{html.escape(page)}"></iframe>'
        "<script>onload = () => {"
        "const inside = document.querySelector('iframe').contentDocument;"
        "const wide = [...inside.querySelectorAll('main *')].filter(e => {"
        "  const box = e.getBoundingClientRect();"
        "  return box.width && (box.left < 20 || box.right > 340);"
        "});"
        "document.title = `panels ${inside.querySelectorAll('.panel').length},"
        " width ${inside.documentElement.scrollWidth}, wide ${wide.map(e => e.outerHTML)}`;"
        "}</script>",
        "utf-8",
    )
    shown = subprocess.run(
        [
            chromium_or_skip(),
            *["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"],
            *["--disable-background-networking", "--disable-component-update", "--disable-quic"],
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert f"<title>panels {panels}, width 360, wide </title>" in shown
