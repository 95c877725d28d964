"""A pattern matches the same files on this machine and in an object store."""

import glob

import pytest

from clampdown.score.places.matching import matching
from clampdown.score.places.place import place_of

FILES = [
    *("a.parquet", "b.parquet", "B.parquet", ".a.parquet", "_b.parquet", "[x].parquet", "a b.txt"),
    *("day=1/a.parquet", "day=1/b.txt", "day=2/a.parquet", "day=2/.hidden/a.parquet", "day=2/c"),
    *("day=1/deep/a.parquet", "day=1/deep/er/a.parquet", ".dot/a.parquet", "deep/day=1/a.parquet"),
]
PATTERNS = [
    *("*.parquet", "?.parquet", "*", "**", "**/*", "**/*.parquet", "day=*/*.parquet", "day=?/a*"),
    *("**/a.parquet", "day=1/**/a.parquet", "day=1/**", "**/deep/**/*.parquet", "*/deep/a.parquet"),
    *(".*", ".*.parquet", "**/.*/*", "[ab].parquet", "[!a].parquet", "[[]x].parquet", "a **.txt"),
    *("a.parquet", "day=1", "day=1/a.parquet", "none", "none/*", "a.parquet/*", "**/**/a.parquet"),
    *(".dot/*", "day=2/.hidden/*", "[.]a.parquet", "*/*", "day=[12]/?"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    local = tmp_path_factory.mktemp("tree")
    store = place_of(f"fsspec+memory://tree{local}")
    for name in FILES:
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text(name)
        (store / name).upload(local / name)
    return local, store


def found(root, pattern):
    files, folders = matching(f"{root}/{pattern}")
    return [(name, place.open("rb").read().decode()) for place, name in files], folders


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_store_s_files_match_as_those_of_this_machine(tree, pattern):
    local, store = tree
    files, folders = found(local, pattern)
    globbed = glob.glob(pattern, root_dir=local, recursive=True)  # noqa: PTH207 - the reference
    expected = {name for name in globbed if (local / name).is_file()}
    assert {content for _, content in files} == expected
    # To glob the folder where ** begins is one of those that it matches.
    here = pattern in {"**", "day=1/**"}
    assert found(store, pattern) == (files, folders - here)
    assert found(local.as_uri(), pattern) == (files, folders)


def test_names_below_the_fixed_folders_are_kept(tree):
    _, store = tree
    files, _ = matching(f"{store}/day=*/a.parquet")
    assert [name for _, name in files] == ["day=1/a.parquet", "day=2/a.parquet"]
    assert [str(place) for place, _ in files] == [f"{store}/{name}" for _, name in files]
