"""The fuzzer sees every way to fail, and makes the same mutant twice."""

import pytest

from tests.fuzz.campaign import Results, described, mutants, pairs
from tests.fuzz.failing import SOME
from tests.fuzz.mutant import Mutant, make
from tests.fuzz.places import places
from tests.fuzz.runner import Runner
from tests.fuzz.table import page
from tests.fuzz.targets import TARGETS


@pytest.fixture(scope="module")
def runner():
    with Runner() as runner:
        yield runner


@pytest.fixture
def impatient():
    """Of a target that hangs; others are slow, too, on a busy machine."""
    with Runner(seconds=2) as runner:
        yield runner


def attempt(runner, name):
    return runner.attempt(Mutant(0, name, "bytes", 0))


@pytest.mark.parametrize(
    ("name", "kind", "detail"),
    [
        ("accepts", "ok", ""),
        ("finds", "refused", "this; that"),
        ("refuses", "refused", "RowsError: it: found this"),
        ("unprintable", "foreign", "a message that cannot be printed"),
        ("raises", "foreign", "KeyError: 'missing'"),
        ("panics", "foreign", "Panic: at the disco"),
        ("exits", "foreign", "SystemExit: 0"),
        ("asks-too-much", "memory", "MemoryError"),
    ],
)
def test_outcome_of_a_worker_that_lives_on(runner, name, kind, detail):
    workers = runner.workers
    attempt(runner, "accepts")
    outcome = attempt(runner, name)
    assert (outcome.kind, detail in outcome.detail) == (kind, True)
    assert outcome.bad == (kind not in ("ok", "refused"))
    assert attempt(runner, "accepts").kind == "ok"
    assert runner.workers == max(1, workers)


def test_memory_that_is_gone_before_anybody_looks():
    with Runner(look=60, memory=SOME // 2) as runner:
        outcome = attempt(runner, "allocates-briefly")
    assert (outcome.kind, outcome.detail.endswith("MiB, then ok")) == ("memory", True)


@pytest.mark.parametrize(
    ("name", "kind", "detail"),
    [
        ("dies", "crash", "exit status 7"),
        ("crashes", "crash", "SIGSEGV"),
        ("sleeps", "hang", "over 2 s"),
        ("allocates", "memory", "MiB"),
    ],
)
def test_outcome_of_a_worker_that_is_replaced(request, name, kind, detail):
    runner = request.getfixturevalue("impatient" if kind == "hang" else "runner")
    attempt(runner, "accepts")
    workers = runner.workers
    outcome = attempt(runner, name)
    assert (outcome.kind, detail in outcome.detail, outcome.bad) == (kind, True, True)
    # A process that ends itself leaves no stack.
    assert ("failing.py" in outcome.trace) == (name != "dies")
    assert attempt(runner, "accepts").kind == "ok"
    assert runner.workers == workers + 1


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("leaves", ["tmp/"]),
        ("leaves-at-home", ["home/.left"]),
        ("changes", ["mutant/rows.csv"]),
        ("writes-and-refuses", ["mutant", "mutant/rows.csv"]),
        ("writes", []),
    ],
)
def test_files_that_are_left(runner, name, left):
    outcome = attempt(runner, name)
    found = [path for path in outcome.left if path.startswith(tuple(left))] if left else []
    assert bool(found) == bool(left) == outcome.bad
    assert attempt(runner, "accepts").left == ()


@pytest.mark.parametrize(
    ("name", "reached"), [("reads-outside", "a file outside"), ("connects", "socket.connect")]
)
def test_what_is_reached(runner, name, reached):
    outcome = attempt(runner, name)
    assert (outcome.reached, outcome.bad) == ((reached,), True)
    assert attempt(runner, "accepts").reached == ()


@pytest.mark.parametrize(("target", "mutator"), pairs())
def test_name_says_everything_about_a_mutant(runner, tmp_path, target, mutator):
    assert attempt(runner, "accepts").kind == "ok"
    made = []
    for turn in ("once", "again"):
        for index in range(5):
            folder = tmp_path / turn / str(index)
            folder.parent.mkdir(exist_ok=True)
            mutant = Mutant(3, target, mutator, index)
            changed = make(mutant, TARGETS[target], places().specimens, folder, places().outside)
            made.append((changed, _contents(folder)))
    assert made[:5] == made[5:]
    assert len({str(one) for one in made}) > 1


def test_fewer_mutants_are_the_first_of_more():
    few, many = (list(mutants(count, 0, pairs())) for count in (100, 200))
    assert many[:100] == few
    assert len(set(map(str, many))) == 200


def test_page_and_replay_command(runner):
    results = Results()
    for index, name in enumerate(("accepts", "refuses", "raises", "raises")):
        mutant = Mutant(5, name, "bytes", index)
        results.add(mutant, runner.attempt(mutant))
    text = page(results, "the command")
    assert "| raises | bytes | 2 | 0 | 0 | 2 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "| all |  | 4 | 1 | 1 | 2 | 0 | 0 | 0 | 0 | 0 |" in text
    [failure] = results.failures.values()
    assert "foreign, 2 times" in described(*failure)
    assert "python -m tests.fuzz --seed 5 --replay raises bytes 2" in described(*failure)


def _contents(folder):
    """Of every file; links and pipes by what they are."""
    return sorted(
        (ascii(path.relative_to(folder)), _kind(path), path.read_bytes() if _plain(path) else b"")
        for path in folder.rglob("*")
    )


def _plain(path):
    return path.is_file() and not path.is_symlink()


def _kind(path):
    return path.lstat().st_mode
