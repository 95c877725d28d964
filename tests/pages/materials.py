"""The files that the pages' commands begin with, small enough to be made in a moment."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from clampdown import defend
from tests.tiny_transformers import save_model, texts


def write_materials(folder: Path) -> None:
    """A model, clean, reviewed and today's rows, two bundles, and rows in Parquet files."""
    model = save_model(folder / "my-model")
    _in_word_pieces(model / "tokenizer.json")
    some = list(dict.fromkeys(texts(2000)))
    clean, reviewed, today = some[:400], some[400:500], some[500:900]
    lines = {
        "clean.csv": ["text", *clean],
        "reviewed.csv": ["text,verdict", *(f"{text},clean" for text in reviewed)],
        "today.csv": ["text", *today],
    }
    for name, rows in lines.items():
        (folder / name).write_text("".join(f"{row}\n" for row in rows))
    for bundle, with_tokenizer in (("my-bundle", False), ("my-text-bundle", True)):
        out = folder / bundle
        defend(model, folder / "clean.csv", out, frr=0.1, with_tokenizer=with_tokenizer)
    (folder / "rows").mkdir()
    for number, part in enumerate((clean, today)):
        table = pa.table({"id": range(len(part)), "text": part})
        pq.write_table(table, folder / "rows" / f"{number}.parquet")


def _in_word_pieces(path: Path) -> None:
    """The same words by the only kind of tokenizer that a graph can hold."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.model = models.WordPiece(tokenizer.get_vocab(), unk_token="[UNK]")  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(path))
