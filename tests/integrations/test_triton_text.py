"""The graph with the tokenizer in front, behind Triton's protocol: texts go in."""

import shutil

import numpy as np
import onnx
import pytest
import tiny_bundle
import tritonclient.http
from inference_protocol import served
from onnxruntime_extensions import get_library_path
from served_model import ServedModel, read_config
from test_triton import integrate, replay, shapes
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from clampdown.integrations.triton import write_triton
from clampdown_exporter.text_input.with_tokenizer import write_with_tokenizer
from clampdown_runtime import DefendedClassifier, open_bundle, read_golden

TENSORS = {"logits": ([2], False), "anomaly_score": ([1], True), "flagged": ([1], True)}
ALONE = {"logits": ([-1, 2], False), "anomaly_score": ([-1], False), "flagged": ([-1], False)}


@pytest.fixture
def text_bundle(bundle_path, seal):
    return with_texts(bundle_path, seal)


def with_texts(bundle_path, seal):
    """Its golden rows are the tiny bundle's, since the words are."""
    tokenizer = Tokenizer.from_file(str(bundle_path / "tokenizer.json"))
    tokenizer.model = models.WordPiece(tokenizer.get_vocab(), unk_token="[UNK]")  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(tiny_bundle.WORDS[:4]))
    tokenizer.save(str(bundle_path / "tokenizer.json"))
    graph = bundle_path / "onnx" / "model.onnx"
    # The first one with operators for strings.
    onnx.save(onnx.version_converter.convert_version(onnx.load(graph), 20), graph)
    seal(bundle_path)
    opened = open_bundle(bundle_path)
    write_with_tokenizer(bundle_path, opened.manifest, read_golden(opened.golden_path))
    seal(bundle_path)
    return bundle_path


def in_int8(bundle, seal):
    for name in ("model.onnx", "model_with_tokenizer.onnx"):
        graph = bundle / "onnx" / name
        shutil.move(graph, graph.with_name(name.replace("model", "model_quantized", 1)))
    seal(bundle, precision="int8")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_golden_texts(text_bundle, seal, tmp_path, protocol, precision):
    if precision == "int8":
        in_int8(text_bundle, seal)
    library = get_library_path()
    done = integrate("triton", text_bundle, "--out", tmp_path / "models", "--op-library", library)
    ids, text = (tmp_path / "models" / name for name in ("classifier", "classifier-text"))
    assert (done.exit_code, done.stdout) == (0, f"wrote {ids}\nwrote {text}\n")
    for model in (ids, text):
        with served(model, protocol) as url:
            done = replay(model, protocol, url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "8 golden rows, 0 differences\n"


def test_texts_are_put_together_whatever_their_length(text_bundle, tmp_path):
    ids, text = write_triton(text_bundle, tmp_path / "models", op_library="libortextensions.so")
    assert not read_config(ids).HasField("model_operations")
    config = read_config(text)
    assert [*config.model_operations.op_library_filename] == ["libortextensions.so"]
    assert (config.name, config.max_batch_size) == ("classifier-text", 64)
    assert config.HasField("dynamic_batching")
    # A text is no dimension of the graph: what the server has for each row is reshaped to nothing.
    assert shapes(config.input) == {"text": ([1], True)}
    assert [*config.input[0].reshape.shape] == []
    assert config.input[0].data_type == model_config_pb2.TYPE_STRING
    assert shapes(config.output) == TENSORS


def test_the_models_own_logits_are_an_output_of_texts_too(answering, seal, tmp_path):
    bundle = with_texts(shutil.copytree(answering, tmp_path / "bundle"), seal)
    _, text = write_triton(bundle, tmp_path / "models", op_library=get_library_path())
    assert shapes(read_config(text).output)["undefended_logits"] == ([2], False)
    given = {"text": np.array([["the bad film cf"]], object)}
    [own] = ServedModel(text).run(given, ["undefended_logits"])
    [expected] = DefendedClassifier.load(answering)(["the bad film cf"])
    np.testing.assert_allclose(own[0], expected.undefended_logits, atol=1e-6)
    assert not np.allclose(own[0], expected.logits)


def test_texts_in_int8_are_never_put_together(text_bundle, seal, tmp_path):
    in_int8(text_bundle, seal)
    _, text = write_triton(text_bundle, tmp_path / "models", op_library=get_library_path())
    config = read_config(text)
    assert (config.max_batch_size, config.HasField("dynamic_batching")) == (0, False)
    assert shapes(config.input) == {"text": ([1], False), "threshold": ([1], False)}
    assert shapes(config.output) == ALONE
    with (
        served(text) as url,
        tritonclient.http.InferenceServerClient(url) as client,
        pytest.raises(InferenceServerException, match="not \\[1\\]"),
    ):
        ask(client, "classifier-text", np.array(["good", "bad"], object))


def test_a_batch_of_texts_with_a_threshold(text_bundle, tmp_path):
    _, text = write_triton(
        text_bundle, tmp_path / "models", max_batch_size=0, op_library=get_library_path()
    )
    assert shapes(read_config(text).input) == {"text": ([-1], False), "threshold": ([1], False)}
    with served(text) as url, tritonclient.http.InferenceServerClient(url) as client:
        texts = np.array(["good", "the bad film cf"], object)
        for threshold in (-1, 1e6):
            answer = ask(client, "classifier-text", texts, np.array([threshold], np.float32))
            assert answer.as_numpy("flagged").tolist() == [threshold < 0] * 2


def ask(client, model, texts, threshold=None):
    given = [tritonclient.http.InferInput("text", texts.shape, "BYTES")]
    given[0].set_data_from_numpy(texts)
    if threshold is not None:
        given.append(tritonclient.http.InferInput("threshold", [1], "FP32"))
        given[1].set_data_from_numpy(threshold)
    outputs = [tritonclient.http.InferRequestedOutput("flagged")]
    return client.infer(model, given, outputs=outputs)


def test_kserve(text_bundle, tmp_path):
    out, library = tmp_path / "service", "/mnt/models/libortextensions.so"
    done = integrate(
        *("kserve", text_bundle, "--out", out, "--storage-uri", "s3://bucket/models"),
        *("--op-library", library),
    )
    assert done.exit_code == 0
    config = read_config(out / "models" / "classifier-text")
    assert [*config.model_operations.op_library_filename] == [library]


def test_without_the_graph_a_library_is_refused(pristine, tmp_path):
    done = integrate("triton", pristine, "--out", tmp_path / "models", "--op-library", "x.so")
    assert (done.exit_code, (tmp_path / "models").exists()) == (2, False)
    assert "no graph with the tokenizer in front" in done.stderr
