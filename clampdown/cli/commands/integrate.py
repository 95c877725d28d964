"""`clampdown integrate`."""

from pathlib import Path
from typing import get_args

import click

from clampdown.cli.options import PATH, bundle_argument, example, expect_option, together
from clampdown.integrations.kserve import write_kserve
from clampdown.integrations.triton import BATCH, NAME, write_triton
from clampdown.integrations.triton_config import Device

_options = together(
    click.option("--out", type=PATH, required=True, metavar="DIR", help="A new or empty folder."),
    click.option("--name", default=NAME, help="Of the model on the server."),
    click.option(
        "--device", type=click.Choice(get_args(Device)), default="cpu", help="Where it runs."
    ),
    click.option(
        "--max-batch-size",
        type=click.IntRange(min=0),
        default=BATCH,
        metavar="ROWS",
        help="Rows that the server may put together; with 0 it puts none together, and takes a "
        "threshold with each request. int8 is always 0.",
    ),
    click.option(
        "--op-library",
        metavar="PATH",
        help="Write a second model, NAME-text, that takes texts. PATH is where the server finds "
        "the library of onnxruntime-extensions; nothing is copied. The bundle has to be exported "
        "--with-tokenizer.",
    ),
    expect_option,
)


@click.group(
    short_help="Write what a server needs.",
    epilog=example("clampdown integrate triton my-bundle --out models"),
)
def integrate() -> None:
    """Write what a server needs to run a bundle.

    Token ids go in, or texts with --op-library; the graph's outputs come back.
    """


@integrate.command(
    short_help="A model repository for Triton.",
    epilog=example(
        "clampdown integrate triton my-bundle --out models",
        "tritonserver --model-repository models",
        "python models/classifier/replay_golden.py --url localhost:8000",
    ),
)
@bundle_argument
@click.option(
    "--instances", type=click.IntRange(min=1), default=1, help="On each GPU, or on the CPU."
)
@_options
def triton(
    *,
    bundle: Path,
    out: Path,
    name: str,
    device: Device,
    instances: int,
    max_batch_size: int,
    op_library: str | None,
    expected_digest: str | None,
) -> None:
    """Write a model repository for NVIDIA's Triton Inference Server with BUNDLE's graph.

    Rows of an int8 bundle influence each other, so that Triton takes them one by one. The script
    replay_golden.py in a model's folder asks the server for the golden rows, over HTTP or gRPC.
    """
    models = write_triton(
        bundle,
        out,
        name=name,
        device=device,
        instances=instances,
        max_batch_size=max_batch_size,
        op_library=op_library,
        expected_digest=expected_digest,
    )
    for model in models:
        click.echo(f"wrote {model}")


@integrate.command(
    short_help="A manifest for KServe.",
    epilog=example(
        "clampdown integrate kserve my-bundle --out service --storage-uri s3://bucket/models",
        "kubectl apply -f service/inference-service.yaml",
    ),
)
@bundle_argument
@click.option(
    "--storage-uri",
    required=True,
    metavar="URI",
    help="Where you are going to copy the folder `models`, such as s3://bucket/models.",
)
@_options
def kserve(
    *,
    bundle: Path,
    storage_uri: str,
    out: Path,
    name: str,
    device: Device,
    max_batch_size: int,
    op_library: str | None,
    expected_digest: str | None,
) -> None:
    """Write an InferenceService of KServe that runs BUNDLE on Triton, protocol v2.

    The folder has the manifest and `models`, the repository that has to lie at --storage-uri.
    """
    manifest = write_kserve(
        bundle,
        out,
        storage_uri,
        name=name,
        device=device,
        max_batch_size=max_batch_size,
        op_library=op_library,
        expected_digest=expected_digest,
    )
    click.echo(f"wrote {manifest}")
