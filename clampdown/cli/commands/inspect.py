"""`clampdown inspect`."""

import dataclasses
from pathlib import Path

import click

from clampdown.cli.inspect_output import echo_audit, echo_bundle, echo_comparison
from clampdown.cli.options import PATH, example, json_option
from clampdown.cli.output import echo_json
from clampdown.extras import needs_extra
from clampdown.inspect_bundle import inspect_bundle
from clampdown_runtime.bundle.manifest import MANIFEST_NAME


@click.command(
    short_help="What a bundle is, or what a model brings with it.",
    epilog=example(
        "clampdown inspect my-bundle",
        "clampdown inspect my-model",
        "clampdown inspect --diff my-model/model.onnx my-bundle",
    ),
)
@click.argument("path", type=PATH, metavar="BUNDLE|MODEL")
@click.option(
    "--diff",
    "undefended",
    type=PATH,
    metavar="UNDEFENDED.onnx",
    help="Compare BUNDLE's graph with the model that it was made of, node by node and weight by "
    "weight.",
)
@json_option
def inspect(path: Path, undefended: Path | None, as_json: bool) -> None:
    """Say what BUNDLE is, or audit MODEL before anything is fitted on it.

    Of a bundle: model, layers, mode, threshold, sizes and digests. Every digest is verified; the
    model is not loaded.

    Of a model, a folder or an .onnx file: pickles, code, custom operators, links and data outside
    the folder, graph logic that looks for tokens around the network, weights that no layer reads.
    Nothing of it is run. Exit status 1 when a finding has to be reviewed; notes alone leave it 0.

    With --diff: what the bundle's graph has more than the undefended one. Exit status 1 when
    anything of the undefended graph is missing or different.
    """
    if undefended is not None:
        _compare(undefended, path, as_json=as_json)
    elif (path / MANIFEST_NAME).exists() or not path.exists():
        _describe(path, as_json=as_json)
    else:
        _audit(path, as_json=as_json)


def _describe(bundle: Path, *, as_json: bool) -> None:
    facts = inspect_bundle(bundle)
    if as_json:
        echo_json(
            {
                **facts.manifest.fields(),
                "digest": facts.digest,
                "sizes": facts.sizes,
                "widths": facts.widths and [dataclasses.asdict(layer) for layer in facts.widths],
                "note": facts.note,
            }
        )
    else:
        echo_bundle(facts)


def _audit(model: Path, *, as_json: bool) -> None:
    with needs_extra("inspect"):
        from clampdown_calib.audit.audit_model import audit_model  # noqa: PLC0415 - imports onnx

        audit = audit_model(model)
    if as_json:
        findings = [dataclasses.asdict(finding) for finding in audit.findings]
        echo_json({"model": str(model), "review": audit.review, "findings": findings})
    else:
        echo_audit(audit)
    if audit.review:
        click.get_current_context().exit(1)


def _compare(undefended: Path, bundle: Path, *, as_json: bool) -> None:
    with needs_extra("inspect"):
        from clampdown_exporter import compare  # noqa: PLC0415 - imports onnx

        found = compare(undefended, bundle)
    if as_json:
        names = {"undefended": str(undefended), "bundle": str(bundle), "whole": found.whole}
        echo_json({**names, **dataclasses.asdict(found)})
    else:
        echo_comparison(found, undefended, bundle)
    if not found.whole:
        click.get_current_context().exit(1)
