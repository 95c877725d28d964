"""Pages are followed as they are written, and what goes wrong is seen."""

import shutil
import socket
import venv
from functools import partial

import pytest

from tests.pages import follow as followed
from tests.pages.follow import ROOT, SHELL, follow
from tests.pages.sections import Block, commands, sections


@pytest.fixture
def materials(tmp_path):
    folder = tmp_path / "materials"
    folder.mkdir()
    (folder / "clean.csv").write_text("text\na\n")
    return folder


@pytest.fixture
def run(materials, tmp_path, monkeypatch):
    """Follows shell blocks, or pairs of a language and a text."""
    # The sources are not what is tested here, and pip takes seconds to be installed.
    monkeypatch.setattr(followed, "_copy_sources", lambda folder: folder.mkdir())
    monkeypatch.setattr(followed, "_make_environment", partial(venv.create, symlinks=True))
    monkeypatch.setattr(followed._Section, "packages", lambda _: "")

    def run(*blocks):
        pairs = [("", block) if isinstance(block, str) else block for block in blocks]
        place = tmp_path / "place"
        shutil.rmtree(place, ignore_errors=True)
        return follow([Block(*pair) for pair in pairs], materials, place, {})

    return run


def test_blocks_by_section(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n## One\n```\na \\\n  b\n\nc\n```\ntext\n```python\n## 1\n```\n"
        "## Two\n## Three\n```\nd\n```\n"
    )
    found = sections(page)
    assert found == {
        "One": [Block("", "a \\\n  b\n\nc"), Block("python", "## 1")],
        "Three": [Block("", "d")],
    }
    assert commands(found["One"][0].text) == ["a \\\n  b", "c"]
    page.write_text("## One\n```\na\n")
    with pytest.raises(ValueError, match="no end"):
        sections(page)


@pytest.mark.parametrize("page", ["fleet.md", "monitoring.md"])
def test_nothing_in_the_pages_is_passed_over(page):
    blocks = [block for blocks in sections(ROOT / "docs" / page).values() for block in blocks]
    assert blocks
    assert {block.language for block in blocks} <= {*SHELL, "python"}


def test_what_is_written_runs_in_an_environment_of_its_own(run):
    done = run(
        "cat clean.csv",
        ("python", "import sys, pathlib\nassert 'venv' in sys.prefix\nrows = 3"),
        ("python", "pathlib.Path('rows').write_text(str(rows))"),
        "test $(cat rows) = 3\ntritonserver --model-repository models",
    )
    assert (done.failure, done.ran) == ("", 4)
    [not_run] = done.not_run
    assert not_run.startswith("`tritonserver --model-repository models`: ")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("echo before\nfalse\ntrue", "exit status 1\nbefore"),
        ("false | true", "exit status 1"),
        (("python", "assert not 1"), "AssertionError"),
        (("yaml", "a: b"), "a block of yaml"),
    ],
)
def test_a_failure_ends_the_section(run, block, message):
    done = run(block, "touch clean.csv")
    assert message in done.failure
    assert done.ran == 0


def test_a_server_is_awaited_and_ended(run, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(followed, "SERVERS", {"python -m http.server ": port})
    serve, ask = f"python -m http.server {port}", f"curl localhost:{port}/clean.csv"
    done = run(serve, ask)
    assert (done.failure, done.ran) == ("", 2)
    done = run(serve, f"curl localhost:{port}/nothing")
    assert "404" in done.failure
    # The first one is no longer there to answer.
    assert "exit status 7" in run(ask).failure
    assert "nobody answers" in run("python -m http.server --bind nowhere.invalid 1").failure
    with socket.create_server(("127.0.0.1", port)):
        assert "answers at port" in run(serve).failure
