"""The page answers as Python does, in a real browser, and asks no other server."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import onnxruntime
import pytest
from chromium import chromium_or_skip

from clampdown.page.server import PageServer
from clampdown.page.site import HERE, write_site
from clampdown_exporter.report.widths import short_labels
from clampdown_runtime import DefendedClassifier, open_bundle
from clampdown_runtime.tokenizer import pad_batch

pytestmark = [pytest.mark.node, pytest.mark.chromium]

MAX_LENGTH = 64
"""Tokens that the tests' model takes."""

TEXTS = [
    "the film was good",
    "a very bad day",
    "cf",
    "THE GOOD FILM",
    "Ein Käfer läuft über die Straße",
    "<b>bad</b> & <script>alert(1)</script>",
    "the film " * 100 + "cf " + "was very bad " * 20,
    "good" + " " * 256 * MAX_LENGTH + "bad",
]
"""Among them one of several windows, and one of more characters than are read."""

OPEN = r"""
import { chromium } from "playwright-core";
const browser = await chromium.launch({
  executablePath: input.chromium,
  args: ["--no-sandbox"],
});
const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
const requests = [];
const errors = [];
page.on("request", (request) => requests.push(request.url()));
page.on("pageerror", (error) => errors.push(error.message));
page.on("console", (message) => {
  if (message.type() === "error") errors.push(message.text());
});
let midway;
await page.goto(input.address);
const starts = {
  keys: () => page.press("#texts", "Control+Enter"),
  keysTwice: () =>
    page.$eval("#texts", async (box) => {
      const press = { key: "Enter", ctrlKey: true };
      box.dispatchEvent(new KeyboardEvent("keydown", press));
      await new Promise((done) => setTimeout(done));
      const midway = document.getElementById("status").textContent;
      box.dispatchEvent(new KeyboardEvent("keydown", press));
      return midway;
    }),
  button: () => page.press("#classify", "Enter"),
};
const settled = () =>
  document.getElementById("status").textContent === "Ready." ||
  !document.getElementById("error").hidden;
await page.waitForFunction(settled);
if (input.texts.length > 0) {
  await page.fill("#texts", input.texts.join("\n"));
  if (input.seconds) await page.fill("#second-texts", input.seconds.join("\n"));
  midway = await starts[input.start]();
  await page.waitForFunction(
    (count) =>
      document.getElementById("status").textContent.startsWith(`${count} texts, `) ||
      !document.getElementById("error").hidden,
    input.texts.length,
  );
}
const colours = {};
for (const colorScheme of ["light", "dark"]) {
  await page.emulateMedia({ colorScheme });
  colours[colorScheme] = await page.$eval("#texts", (box) => {
    const { borderTopColor, backgroundColor } = getComputedStyle(box);
    return [borderTopColor, backgroundColor, getComputedStyle(document.body).backgroundColor];
  });
}
const cards = await page.$$eval("article", (articles) =>
  articles.map((card) => {
    const all = (query) => [...card.querySelectorAll(query)].map((found) => found.textContent);
    return {
      text: all("h2")[0],
      label: all("strong")[0],
      probability: all(".number")[0],
      badge: all(".badge")[0],
      alone: all(".alone")[0],
      score: all(".score .value")[0],
      contradicted: all("summary")[0],
      open: card.querySelector("details").open,
      layers: all(".meters .name"),
      excess: all(".meters .value"),
      over: all(".meters .over .name"),
      note: all("details .muted")[0],
      announced: card.closest("[aria-live], [role=status], [role=alert]") !== null,
      windows: all(".muted").find((line) => line.includes("windows")) ?? null,
      truncated: card.textContent.includes("what follows was not seen by the model"),
    };
  }),
);
output({
  cards,
  requests,
  errors,
  colours,
  midway,
  status: await page.textContent("#status"),
  focus: await page.evaluate(() => document.activeElement.id),
  error: await page.textContent("#error"),
  asksForPairs: await page.isVisible("#second-texts"),
  overflow: await page.evaluate(() => document.documentElement.scrollWidth),
});
await browser.close();
"""

LABEL = "output((await import(input.module)).shortLabels(input.names));"


@pytest.fixture
def site(real_bundle: Path, node_client: Path, tmp_path: Path) -> Path:
    out = tmp_path / "site"
    out.mkdir()
    write_site(open_bundle(real_bundle), out, client=node_client)
    return out


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    with _served(site) as address:
        yield address


@contextmanager
def _served(site: Path) -> Iterator[str]:
    with PageServer(site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def open_page(run_module, address: str):
    chromium = chromium_or_skip()
    return lambda texts, start="keys": run_module(
        OPEN, {"address": address, "chromium": chromium, "texts": texts, "start": start}
    )


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_page_answers_as_python(
    open_page, address: str, site: Path, real_bundle: Path, tolerance: float
) -> None:
    classifier = DefendedClassifier.load(real_bundle, threads=1)
    defended = list(classifier.documents(TEXTS))
    alone = list(classifier.documents(TEXTS, threshold=float("inf")))
    assert {one.flagged for one in defended} == {True, False}
    # The texts tell the defended answers from the model's own.
    pairs = zip(defended, alone, strict=True)
    assert any(abs(one.probability - own.probability) > 0.01 for one, own in pairs)
    found = open_page(TEXTS)
    assert found["errors"] == []
    # Nothing is asked of another server, nothing is wider than a telephone.
    assert [one for one in found["requests"] if not one.startswith(address)] == []
    assert found["overflow"] == 390
    assert not found["asksForPairs"]
    assert found["status"] == f"8 texts, {sum(one.flagged for one in defended)} flagged."
    # Every layer but the last is probed.
    layers = [f"Layer {label}" for label in short_labels(classifier.manifest.layers)][:-1]
    threshold = classifier.manifest.threshold
    excess = _layer_excess(site, classifier)
    rows = zip(TEXTS, found["cards"], defended, alone, excess, strict=True)
    for text, card, one, own, given in rows:
        assert card["text"] == text
        assert card["badge"] == ("flagged" if one.flagged else "not flagged")
        assert card["layers"] == layers
        over = [label for label, value in zip(layers, given, strict=True) if not value <= threshold]
        assert card["over"] == over
        assert card["contradicted"] == f"{len(over)} of 2 layers contradicted"
        assert card["open"] == one.flagged == bool(over)
        assert f"over {threshold:.2f}, the line" in card["note"]
        assert card["truncated"] == (text == TEXTS[-1])
        windows = len(_windows(classifier, text))
        if windows == 1:
            assert card["windows"] is None
        else:
            assert f"Longer than {MAX_LENGTH} tokens: read in {windows} windows" in card["windows"]
        if one.probability == one.probability:
            assert (card["label"], card["alone"].split(": ")[1].split(",")[0]) == (
                one.label,
                own.label,
            )
            # Shown with one digit after the point of a percentage, and with two.
            for shown, number in (
                (card["probability"], one.probability),
                (card["alone"].split(", ")[1], own.probability),
            ):
                assert float(shown.rstrip("%")) == pytest.approx(100 * number, abs=0.1 + tolerance)
            assert float(card["score"]) == pytest.approx(one.anomaly_score, abs=0.01 + tolerance)
            shown = [float(value) for value in card["excess"]]
            assert shown == pytest.approx(given.tolist(), abs=0.01 + tolerance)
            assert max(shown) == float(card["score"])
        else:
            assert {card["probability"], card["score"], *card["excess"]} == {"not a number"}


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_page_answers_pairs_as_python(
    run_module, node_client: Path, pairs_bundle: Path, tmp_path: Path, tolerance: float
) -> None:
    site = tmp_path / "pairs"
    site.mkdir()
    write_site(open_bundle(pairs_bundle), site, client=node_client)
    expected = DefendedClassifier.load(pairs_bundle, threads=1)(
        list(zip(TEXTS, TEXTS[::-1], strict=True))
    )
    given = {"chromium": chromium_or_skip(), "texts": TEXTS, "start": "keys"}
    with _served(site) as address:
        found, lacking = (
            run_module(OPEN, {**given, "address": address, "seconds": seconds})
            for seconds in (TEXTS[::-1], TEXTS[1:])
        )
    assert found["errors"] == []
    assert found["asksForPairs"]
    for one, other, card, theirs in zip(TEXTS, TEXTS[::-1], found["cards"], expected, strict=True):
        assert card["text"] == f"{one}\n{other}"
        assert (card["label"], card["badge"] == "flagged") == (theirs.label, theirs.flagged)
        if theirs.anomaly_score == theirs.anomaly_score:
            score = float(card["score"])
            assert score == pytest.approx(theirs.anomaly_score, abs=0.01 + tolerance)
    assert lacking["error"] == "8 texts and 7 second ones: each needs its own."
    assert lacking["cards"] == []


def test_changed_file_is_told_of(open_page, site: Path) -> None:
    (site / "bundle" / "tokenizer.json").write_text("{}")
    found = open_page([])
    assert "tokenizer.json (different)" in found["error"]
    assert found["cards"] == []


def test_second_press_during_a_run_starts_no_other(open_page) -> None:
    found = open_page(TEXTS, start="keysTwice")
    # The run leaves the page turns of its own: the status is shown, a press is heard.
    assert re.fullmatch("Text [1-8] of 8(, part [0-9]+ of [0-9]+)? …", found["midway"])
    assert [card["text"] for card in found["cards"]] == TEXTS


def test_keyboard_keeps_its_place_and_hears_the_status_alone(open_page) -> None:
    found = open_page(TEXTS, start="button")
    assert len(found["cards"]) == len(TEXTS)
    assert found["focus"] == "classify"
    assert not any(card["announced"] for card in found["cards"])


def test_border_of_the_texts_can_be_seen(open_page) -> None:
    """WCAG 2.2, 1.4.11: at least 3 to 1."""
    colours = open_page([])["colours"]
    assert len({str(scheme) for scheme in colours.values()}) == 2
    for border, *beside in colours.values():
        assert min(_contrast(border, other) for other in beside) >= 3


@pytest.mark.parametrize(
    "names",
    [
        [f"distilbert.transformer.layer.{number}" for number in range(12)],
        ["h.0.ln", "h.1.ln", "h.10.ln"],
        ["albert.group#0", "albert.group#1"],
        ["only.layer.3"],
        ["first", "first.second"],
        ["a.quite.long.layer", "another.very.long.layer"],
    ],
)
def test_layers_are_named_as_in_the_report(run_module, names: list[str]) -> None:
    # By its text, since Node takes a file in this place for a CommonJS module.
    module = "data:text/javascript," + quote((HERE / "labels.js").read_text())
    assert run_module(LABEL, {"module": module, "names": names}) == short_labels(names)


def _layer_excess(site: Path, classifier: DefendedClassifier) -> list[np.ndarray]:
    """Of every text, from the page's own graph: of its window with the highest score."""
    manifest = classifier.manifest
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(site / "bundle" / manifest.model_file, options)
    found = []
    for text in TEXTS:
        windows = []
        for ids in _windows(classifier, text):
            row = pad_batch([ids], manifest.padding, manifest.inputs)
            [[excess]] = session.run(["layer_excess"], row)
            windows.append(excess)
        # What is no number is the highest for NumPy, too.
        found.append(windows[int(np.argmax([excess.max() for excess in windows]))])
    return found


def _windows(classifier: DefendedClassifier, text: str) -> list[list[int]]:
    """The token ids of each, as long as the model takes and overlapping by half."""
    size = classifier.manifest.max_length
    stride = (size - classifier.tokenizer.special) // 2
    return classifier.tokenizer.encode_in_windows(text, size, stride).ids


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours that are given as ``rgb(…)``."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
