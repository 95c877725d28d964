"""`clampdown inspect`."""

import dataclasses
from pathlib import Path

import click

from clampdown.cli.options import bundle_argument, example, json_option
from clampdown.cli.output import echo_facts, echo_json, echo_table, number
from clampdown.inspect_bundle import BundleFacts, inspect_bundle


@click.command(short_help="What a bundle is.", epilog=example("clampdown inspect my-bundle"))
@bundle_argument
@json_option
def inspect(bundle: Path, as_json: bool) -> None:
    """Say what BUNDLE is: model, layers, mode, threshold, sizes and digests.

    Every digest is verified; the model is not loaded.
    """
    facts = inspect_bundle(bundle)
    if as_json:
        echo_json(
            {
                **dataclasses.asdict(facts.manifest),
                "digest": facts.digest,
                "sizes": facts.sizes,
                "widths": facts.widths and [dataclasses.asdict(layer) for layer in facts.widths],
                "note": facts.note,
            }
        )
    else:
        _echo(facts)


def _echo(facts: BundleFacts) -> None:
    manifest = facts.manifest
    echo_facts(
        {
            "bundle digest": facts.digest,
            "model": f"{manifest.model.name} ({manifest.model.model_type})",
            "model digest": manifest.model.digest,
            "labels": manifest.labels,
            "mode": manifest.mode,
            "precision": manifest.precision,
            "detector": f"{manifest.detector} on the {manifest.representation} token",
            "threshold": manifest.threshold,
            "FRR asked for": manifest.frr,
            "FRR measured": manifest.frr_measured,
            "max length": f"{manifest.max_length} tokens",
            "inputs": manifest.inputs,
            "clampdown": f"{manifest.clampdown_version}, format {manifest.format_version}",
            "made with": manifest.versions,
        }
    )
    click.echo()
    if facts.widths is None:
        echo_table(("layer",), [(layer,) for layer in manifest.layers])
        click.echo(f"no interval widths: {facts.note}")
    else:
        echo_table(
            ("layer", "smallest width", "median", "largest"),
            [
                (
                    layer.layer,
                    *(number(w, 3) for w in (layer.smallest, layer.median, layer.largest)),
                )
                for layer in facts.widths
            ],
        )
    click.echo()
    echo_table(
        ("file", "bytes", "digest"),
        [(name, str(size), manifest.files.get(name, "-")) for name, size in facts.sizes.items()],
    )
