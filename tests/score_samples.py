"""Parquet files of a few texts, and what a run makes of them."""

import pyarrow as pa
from pyarrow import parquet

TEXTS = ["good", "bad film", "cf", "a good film", "the the"]


def write(path, texts, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = [f"{path.stem}-{place}" for place in range(len(texts))]
    columns = {"id": ids, "text": texts}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    parquet.write_table(table, path, **options)


def results(folder):
    files = sorted(path for path in folder.rglob("*.parquet"))
    return {path.relative_to(folder).as_posix(): parquet.ParquetFile(path).read() for path in files}
