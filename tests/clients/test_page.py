"""The page answers as Python does, in a real browser, and asks no other server."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clampdown.page.server import page_server
from clampdown.page.site import write_site
from clampdown_runtime import DefendedClassifier, open_bundle

pytestmark = [pytest.mark.node, pytest.mark.chromium]

TEXTS = [
    "the film was good",
    "a very bad day",
    "cf",
    "THE GOOD FILM",
    "Ein Käfer läuft über die Straße",
    "<b>bad</b> & <script>alert(1)</script>",
    "the film " * 100,
]

OPEN = """
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
await page.goto(input.address);
const settled = () =>
  /^(Ready|\\\\d+ texts)\\\\.$/.test(document.getElementById("status").textContent) ||
  !document.getElementById("error").hidden;
await page.waitForFunction(settled);
if (input.texts.length > 0) {
  await page.fill("#texts", input.texts.join("\\\\n"));
  await page.press("#texts", "Control+Enter");
  await page.waitForFunction(
    (count) => document.getElementById("status").textContent === `${count} texts.`,
    input.texts.length,
  );
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
      layers: all(".meters .name"),
      truncated: card.textContent.includes("was not seen by the model"),
    };
  }),
);
output({
  cards,
  requests,
  errors,
  error: await page.textContent("#error"),
  overflow: await page.evaluate(() => document.documentElement.scrollWidth),
});
await browser.close();
""".replace("\\\\", "\\")


@pytest.fixture
def site(real_bundle: Path, node_client: Path, tmp_path: Path) -> Path:
    out = tmp_path / "site"
    out.mkdir()
    write_site(open_bundle(real_bundle), out, client=node_client)
    return out


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    with page_server(site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def open_page(run_module, address: str):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium")
    return lambda texts: run_module(
        OPEN, {"address": address, "chromium": chromium, "texts": texts}
    )


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_page_answers_as_python(
    open_page, address: str, real_bundle: Path, tolerance: float
) -> None:
    classifier = DefendedClassifier.load(real_bundle, threads=1)
    defended = classifier(TEXTS)
    alone = classifier(TEXTS, threshold=float("inf"))
    assert {one.flagged for one in defended} == {True, False}
    # The texts tell the defended answers from the model's own.
    pairs = zip(defended, alone, strict=True)
    assert any(abs(one.probability - own.probability) > 0.01 for one, own in pairs)
    found = open_page(TEXTS)
    assert found["errors"] == []
    # Nothing is asked of another server, nothing is wider than a telephone.
    assert [one for one in found["requests"] if not one.startswith(address)] == []
    assert found["overflow"] == 390
    for text, card, one, own in zip(TEXTS, found["cards"], defended, alone, strict=True):
        assert card["text"] == text
        assert card["badge"] == ("flagged" if one.flagged else "not flagged")
        assert card["layers"] == list(classifier.manifest.layers)
        assert card["truncated"] == (text == TEXTS[-1])
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
        else:
            assert (card["probability"], card["score"]) == ("not a number", "not a number")


def test_changed_file_is_told_of(open_page, site: Path) -> None:
    (site / "bundle" / "tokenizer.json").write_text("{}")
    found = open_page([])
    assert "tokenizer.json (different)" in found["error"]
    assert found["cards"] == []
