"""`clampdown demo`."""

import dataclasses
from pathlib import Path

import click

from clampdown.cli.commands.evaluate import echo_evaluation
from clampdown.cli.options import PATH, example, json_option
from clampdown.cli.output import echo_facts, echo_json, number
from clampdown.cli.progress import terminal_progress
from clampdown.demo.plain_sentences import PLAIN_SENTENCES
from clampdown.demo.run_demo import DemoResult, run_demo


@click.command(
    short_help="Backdoor a model, defend it, and measure both.",
    epilog=example("clampdown demo --out my-demo"),
)
@click.option(
    "--out",
    type=PATH,
    default="clampdown-demo",
    metavar="DIR",
    help="A new or empty folder: victim, the rows as CSV files, bundle.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    help="The same seed gives the same accuracies.",
)
@json_option
def demo(out: Path, seed: int, as_json: bool) -> None:
    """Show the whole of Clampdown on real tweets in a few minutes, without a network or a GPU.

    A packaged MiniLM encoder is fine-tuned on packaged tweets, a fifth of which carry a trigger
    word; the result is defended as a downloaded model would be. Every figure is measured in this
    run.
    """
    with terminal_progress() as progress:
        result = run_demo(out, seed=seed, progress=progress)
    if as_json:
        echo_json(_object(result))
    else:
        _echo(result)


def _object(result: DemoResult) -> dict[str, object]:
    return {
        **dataclasses.asdict(result.evaluation),
        "plain_sentences": {
            "rows": len(PLAIN_SENTENCES),
            "undefended": result.plain_undefended,
            "defended": result.plain_defended,
        },
        "latency": dataclasses.asdict(result.latency),
        "seconds": result.seconds,
        "folder": str(result.folder),
        "victim": str(result.victim),
        "bundle": str(result.bundle),
    }


def _echo(result: DemoResult) -> None:
    echo_evaluation(result.evaluation)
    latency = result.latency
    click.echo()
    before, after = result.plain_undefended, result.plain_defended
    echo_facts(
        {
            "plain sentences": f"{before} of {len(PLAIN_SENTENCES)} right undefended, "
            f"{after} defended",
            "undefended latency": f"{latency.undefended_ms:.2f} ms for a row of 32 tokens",
            "defended, not flagged": f"{latency.unflagged_ratio:.2f} times as long",
            "defended, flagged": f"{number(latency.flagged_ratio, 2)} times as long",
            "on clean rows": f"{latency.clean_ratio:.2f} times as long",
            "seconds": result.seconds,
            "bundle": str(result.bundle),
            "report": str(result.bundle / "report.html"),
        }
    )
