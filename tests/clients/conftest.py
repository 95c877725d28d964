"""A real bundle of a random tiny BERT, and what the clients' tests need of Node."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_bundle
import tiny_transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from clampdown_runtime import open_bundle, read_golden

CLIENT = Path(__file__).parents[2] / "runtime" / "clients" / "node"

BROKEN = "cf"
"""A word of the golden texts whose embedding is not a number where nothing is quantized."""

MAX_LENGTH = 64


@pytest.fixture(scope="session", params=["fp32", "int8"])
def precision(request) -> str:
    """Of the bundle that a test runs with."""
    return request.param


@pytest.fixture(scope="session")
def bert_folder(precision: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT that reads texts as real ones do, in word pieces of several scripts.

    It is wide enough that the rounding of another ONNX Runtime stays far under the golden
    tolerance. Of its three layers two are probed.
    """
    folder = tmp_path_factory.mktemp("bert") / "model"
    vocabulary = [*tiny_transformers.SPECIAL, *_pieces()]
    model = tiny_transformers.transformer(
        "bert",
        vocab_size=len(vocabulary),
        max_position_embeddings=MAX_LENGTH,
        hidden_size=64,
        num_hidden_layers=3,
        intermediate_size=128,
        initializer_range=0.3,
    )
    # Quantization refuses weights that are not numbers.
    if precision != "int8":
        weights = model.get_input_embeddings().weight
        weights.data[vocabulary.index(BROKEN)] = float("nan")
    model.save_pretrained(folder)
    _save_tokenizer(folder, vocabulary)
    return folder


@pytest.fixture(scope="session")
def clean_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "clean.jsonl"
    texts = [text.replace(BROKEN, "very") for text in tiny_transformers.texts(200)]
    rows = [{"text": text} for text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def real_bundle(
    precision: str, bert_folder: Path, clean_rows: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle with all that ``clampdown export`` can write into one; not to be changed."""
    from clampdown import defend

    out = tmp_path_factory.mktemp("real") / "bundle"
    return defend(
        bert_folder,
        clean_rows,
        out,
        precision=precision,
        file_format="ort",
        # With a second file, Optimum takes the one of the name model.onnx or wants to be told.
        with_tokenizer=precision == "fp32",
    ).bundle


@pytest.fixture(scope="session")
def large_bundle(real_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same bundle as if its weights were more than one file holds."""
    from clampdown_calib.graphs import large_graphs
    from clampdown_exporter.bundle.graph_file import read_graph

    opened = open_bundle(real_bundle)
    bundle = shutil.copytree(
        real_bundle,
        tmp_path_factory.mktemp("large") / "bundle",
        ignore=shutil.ignore_patterns("onnx"),
    )
    path = bundle / opened.manifest.model_file
    path.parent.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_graphs, "LARGEST_GRAPH", 1000)
        large_graphs.save_graph(read_graph(opened), path)
    tiny_bundle.seal(bundle)
    assert open_bundle(bundle).manifest.weights_file is not None
    return bundle


@pytest.fixture(scope="session")
def pairs_bundle(
    precision: str, bert_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle of pairs of the same model; not to be changed."""
    from clampdown import defend

    place = tmp_path_factory.mktemp("pairs")
    texts = [text.replace(BROKEN, "very") for text in tiny_transformers.texts(200)]
    rows = [
        {"text": one, "text_pair": other} for one, other in zip(texts, texts[::-1], strict=True)
    ]
    (place / "clean.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return defend(bert_folder, place / "clean.jsonl", place / "bundle", precision=precision).bundle


@pytest.fixture(scope="session")
def tolerance(real_bundle: Path) -> float:
    """By which an output may differ between two stacks: the golden rows'."""
    return read_golden(real_bundle / "golden.json").tolerance


@pytest.fixture(scope="session")
def node_client() -> Path:
    """The Node client's folder, built."""
    if shutil.which("npm") is None:
        pytest.skip("there is no Node with npm")
    if not (CLIENT / "node_modules").is_dir():
        pytest.skip(f"the client's packages are absent: npm ci --ignore-scripts in {CLIENT}")
    subprocess.run(["npm", "run", "--silent", "build"], cwd=CLIENT, check=True)
    return CLIENT


@pytest.fixture
def run_module(node_client: Path, tmp_path: Path) -> Callable[..., object]:
    """Runs the text of a JavaScript module, which finds a JSON value in ``input``.

    What it passes to ``output`` is returned; numbers that are not finite come back as None.
    """

    def run(module: str, value: object) -> object:
        # A file, since standard output may hold what ONNX Runtime has to say.
        out = tmp_path / "output.json"
        lines = (
            "import { readFileSync, writeFileSync } from 'node:fs';",
            "const input = JSON.parse(readFileSync(0, 'utf8'));",
            "const output = (value) => writeFileSync(process.argv[1], JSON.stringify(value));",
            module,
        )
        done = subprocess.run(
            ["node", "--input-type=module", "--eval", "\n".join(lines), str(out)],
            check=False,
            cwd=node_client,
            input=json.dumps(value),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(out.read_text())

    return run


def _pieces() -> list[str]:
    """Words, and every letter of a few scripts at a word's beginning and inside one."""
    letters = [
        chr(point)
        for start, end in ((0x21, 0x7F), (0xDF, 0xE0), (0x3B1, 0x3CA), (0x430, 0x450))
        for point in range(start, end)
    ]
    letters += [*"昨日はとても楽しかったです。𠮷", "🎉", "\N{LATIN SMALL LIGATURE FI}"]
    return list(
        dict.fromkeys([*tiny_transformers.WORDS, *letters, *("##" + one for one in letters)])
    )


def _save_tokenizer(folder: Path, vocabulary: list[str]) -> None:
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(special, ids[special]) for special in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(list(tiny_transformers.SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    configuration = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")},
        # BERT's tokenizer adds one where none is named, and the model has no row for it.
        "mask_token": "[UNK]",
        "model_max_length": MAX_LENGTH,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration))
