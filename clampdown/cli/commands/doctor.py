"""`clampdown doctor`."""

import dataclasses

import click

from clampdown.cli.options import example, json_option
from clampdown.cli.output import echo_facts, echo_json, several_lines
from clampdown.doctor import Diagnosis
from clampdown.doctor import doctor as examine


@click.command(short_help="What this machine can run.", epilog=example("clampdown doctor --json"))
@json_option
def doctor(as_json: bool) -> None:
    """Say which Python, ONNX Runtime, providers and GPU libraries there are.

    A provider counts as usable when it ran a tiny model itself, without help from the CPU. The
    exit status is 1 when none is.
    """
    diagnosis = examine()
    if as_json:
        echo_json(dataclasses.asdict(diagnosis))
    else:
        _echo(diagnosis)
    if not diagnosis.usable:
        click.get_current_context().exit(1)


def _echo(diagnosis: Diagnosis) -> None:
    echo_facts(
        {
            "Python": f"{diagnosis.python} on {diagnosis.platform}",
            "ONNX Runtime": diagnosis.onnxruntime or "none",
            **dict.fromkeys(diagnosis.usable, "usable"),
            **{name: f"not usable: {why}" for name, why in diagnosis.unusable.items()},
            **{name: "found" if ok else "-" for name, ok in diagnosis.gpu_libraries.items()},
            **diagnosis.packages,
        }
    )
    if diagnosis.problem:
        click.echo(f"error: {several_lines(diagnosis.problem)}", err=True)
