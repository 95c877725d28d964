import pytest
from score_samples import TEXTS, write


@pytest.fixture
def rows(tmp_path):
    folder = tmp_path / "rows"
    write(folder / "day=1" / "a.parquet", TEXTS)
    write(folder / "day=2" / "a.parquet", TEXTS[::-1])
    write(folder / "day=2" / "empty.parquet", [])
    return folder


@pytest.fixture
def score(invoke, pristine, rows, tmp_path):
    def run(*options, bundle=pristine, pattern=rows / "**" / "*.parquet"):
        return invoke("score", bundle, "--input", pattern, "--out", tmp_path / "out", *options)

    return run
