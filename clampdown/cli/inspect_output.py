"""What `clampdown inspect` prints of a bundle, of a model, and of a bundle beside its model."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clampdown.cli.output import echo_facts, echo_table, number, one_line
from clampdown.inspect_bundle import BundleFacts

if TYPE_CHECKING:
    from clampdown_calib.audit.audit_model import Audit
    from clampdown_exporter.comparison.compare import Comparison, NodeDifference


def echo_bundle(facts: BundleFacts) -> None:
    """Print a bundle's facts, its layers and its files."""
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
            "reads": "pairs of texts" if manifest.text_pair else "single texts",
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


def echo_audit(audit: "Audit") -> None:
    """Print a line for each finding, those to look at first, and what they come to."""
    for finding in audit.findings:
        level = "review" if finding.review else "note"
        click.echo(one_line(f"{level:<6}  {finding.kind}  {finding.file}: {finding.detail}"))
    to_review = sum(finding.review for finding in audit.findings)
    notes = len(audit.findings) - to_review
    click.echo(
        one_line(f"{audit.model}: {to_review} to review, {notes} noted; ")
        + "what weights were trained to do cannot be seen here"
    )


def echo_comparison(found: "Comparison", undefended: Path, bundle: Path) -> None:
    """Print how many nodes and weights are the same, and each that is not."""
    nodes, weights = found.nodes + len(found.missing), found.weights + len(found.missing_weights)
    how = "as it is read for a defence"
    echo_facts(
        {
            "undefended": f"{undefended}, {how}{', attention simplified' * found.simplified}",
            "bundle": str(bundle),
            "nodes": f"{found.nodes} of {nodes} are in the bundle, {len(found.added)} added",
            "weights": f"{found.weights} of {weights} are in the bundle, "
            f"{len(found.added_weights)} added",
            "undefended logits": "not in the bundle"
            if found.logits is None
            else f"computed by the same nodes and weights, as {found.logits}",
            "added inputs": ", ".join(found.added_inputs) or None,
        }
    )
    _echo_nodes("missing", found.missing)
    _echo_names("missing weight", found.missing_weights)
    _echo_nodes("added", found.added)
    _echo_names("added weight", found.added_weights)


def _echo_nodes(what: str, nodes: "Iterable[NodeDifference]") -> None:
    """A line for each operator; a node with which a difference begins is marked."""
    by_operator: dict[str, list[str]] = {}
    for node in nodes:
        name = f"{node.name} (first)" if what == "missing" and node.first else node.name
        by_operator.setdefault(node.operator, []).append(name)
    for operator, names in sorted(by_operator.items()):
        click.echo(one_line(f"{what}  {operator}  {len(names)}: {', '.join(names)}"))


def _echo_names(what: str, names: tuple[str, ...]) -> None:
    if names:
        click.echo(one_line(f"{what}  {len(names)}: {', '.join(names)}"))
