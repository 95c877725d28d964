"""Ray Data: the class for `map_batches`, and `clampdown score --engine ray`."""

import json
import os

import pyarrow as pa
import pytest
import ray
from click.testing import CliRunner
from pyarrow import parquet

from clampdown.cli.main import main
from clampdown.integrations.ray_data import RayClassifier
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.digests import file_digest

TEXTS = ["good", "bad film", "cf", "a good film", "the the", ""]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    # On a busy machine Ray's agent takes longer to start than the half minute that it is given.
    patient = {"RAY_agent_register_timeout_ms": "300000", "RAY_raylet_start_wait_time_s": "300"}
    os.environ.update(patient)
    # Of an actor that one test lets fail Ray's words would come in the midst of another test.
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def digest(pristine):
    return file_digest(pristine / "clampdown.json")


def classified(pristine, digest, texts, **options):
    rows = ray.data.from_arrow(pa.table({"id": range(len(texts)), "text": texts}))
    return rows.map_batches(
        RayClassifier,
        fn_constructor_args=(pristine, digest),
        fn_constructor_kwargs=options,
        batch_format="pyarrow",
        batch_size=4,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=2),
    )


def test_map_batches_gives_each_row_its_prediction(pristine, digest, classifier):
    rows = classified(pristine, digest, TEXTS * 3, all_probabilities=True).take_all()
    assert [row["id"] for row in sorted(rows, key=lambda row: row["id"])] == [*range(18)]
    expected = dict(zip(TEXTS, classifier(TEXTS[:-1]), strict=False))
    for row in rows:
        if row["text"] == "":
            assert (row["error"], row["label"], row["flagged"]) == ("an empty text", None, None)
            continue
        prediction = expected[row["text"]]
        assert (row["label"], row["flagged"]) == (prediction.label, prediction.flagged)
        found = tuple(row["probabilities"].values())
        assert found == pytest.approx(prediction.probabilities)


def test_map_batches_reads_pairs(pristine_of_pairs):
    pairs = [("good", "bad film"), ("bad film", "good"), ("cf", None)]
    one, other = zip(*pairs, strict=True)
    digest = file_digest(pristine_of_pairs / "clampdown.json")
    rows = ray.data.from_arrow(pa.table({"text": one, "hypothesis": other}))
    classified = rows.map_batches(
        RayClassifier,
        fn_constructor_args=(pristine_of_pairs, digest),
        fn_constructor_kwargs={"text_pair_column": "hypothesis"},
        batch_format="pyarrow",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=1),
    ).take_all()
    expected = DefendedClassifier.load(pristine_of_pairs)(pairs[:2])
    found = [row["anomaly_score"] for row in classified]
    assert found == [*(pytest.approx(one.anomaly_score) for one in expected), None]
    assert classified[2]["error"] == "second text: no text"


def test_no_actor_loads_another_bundle(pristine):
    with pytest.raises(Exception, match="found the digest sha256") as raised:
        classified(pristine, f"sha256:{'0' * 64}", TEXTS).materialize()
    assert isinstance(raised.value, ray.exceptions.RayError)


def test_an_actor_has_the_threads_of_its_cpus(pristine, digest, monkeypatch):
    given = {}
    monkeypatch.setattr(
        "clampdown.integrations.ray_data.DefendedClassifier.load",
        lambda _, **options: given.update(options),
    )
    for resources, expected in (
        ({"CPU": 2.0}, ("cpu", 2)),
        ({"CPU": 0.5}, ("cpu", 1)),
        ({"CPU": 4.0, "GPU": 1.0}, ("cuda", 4)),
    ):
        monkeypatch.setattr(
            "ray.runtime_context.RuntimeContext.get_assigned_resources", lambda _, r=resources: r
        )
        RayClassifier(pristine, digest)
        assert (given["provider"], given["threads"]) == expected
        assert given["expected_digest"] == digest


def write(folder, name, texts):
    folder.mkdir(exist_ok=True)
    ids = [f"{name}-{place}" for place in range(len(texts))]
    parquet.write_table(pa.table({"id": ids, "text": texts}), folder / f"{name}.parquet")


def score(pristine, tmp_path, *options):
    line = ["score", pristine, "--input", tmp_path / "rows" / "*.parquet", *options]
    return CliRunner().invoke(main, [str(part) for part in line])


def test_score_on_ray_writes_what_a_process_writes(pristine, tmp_path):
    for name in "abc":
        write(tmp_path / "rows", name, TEXTS)
    one = score(pristine, tmp_path, "--out", tmp_path / "one")
    on_ray = ("--engine", "ray", "--batch-size", 2)
    ray_s = score(pristine, tmp_path, "--out", tmp_path / "ray", *on_ray)
    assert one.stdout == ray_s.stdout
    assert (one.exit_code, ray_s.exit_code) == (1, 1)
    for name in "abc":
        written = [(tmp_path / kind / f"{name}.parquet").read_bytes() for kind in ("one", "ray")]
        assert written[0] == written[1]


@pytest.mark.parametrize(
    ("option", "found"),
    [
        (("--threads", 3), "2 CPUs; expected 3 for an actor, as --threads asks"),
        (("--provider", "cuda"), "0 GPUs; expected 1 for an actor, as --provider asks"),
    ],
)
def test_a_machine_without_room_for_an_actor_is_refused(pristine, tmp_path, option, found):
    write(tmp_path / "rows", "a", TEXTS)
    done = score(pristine, tmp_path, "--out", tmp_path / "out", "--engine", "ray", *option)
    assert done.exit_code == 2
    assert found in " ".join(done.stderr.split())


def test_an_error_of_an_actor_reaches_the_command_line(pristine, tmp_path, bundle_path, seal):
    # A tokenizer that has no token for a word that it does not know fails on one.
    path = bundle_path / "tokenizer.json"
    state = json.loads(path.read_text())
    state["model"]["unk_token"] = "[NONE]"  # noqa: S105
    path.write_text(json.dumps(state))
    seal(bundle_path)
    write(tmp_path / "rows", "a", ["unheard"])
    done = score(bundle_path, tmp_path, "--out", tmp_path / "out", "--engine", "ray")
    assert done.exit_code == 2
    assert "error: " in done.stderr
    assert "tokenizer.json: found a failure on one of 1 texts" in done.stderr
