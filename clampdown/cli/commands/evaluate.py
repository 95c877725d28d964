"""`clampdown evaluate`."""

import dataclasses
from pathlib import Path

import click

from clampdown.cli.options import (
    PATH,
    bundle_argument,
    example,
    expect_option,
    json_option,
    provider_option,
    row_format_options,
)
from clampdown.cli.output import echo_facts, echo_json, echo_table, number
from clampdown.cli.progress import terminal_progress
from clampdown.cli.text_argument import TEXT
from clampdown.cli.warnings_on_stderr import warnings_on_stderr
from clampdown.measure.accuracies import LabelAccuracies
from clampdown.measure.evaluate import Evaluation
from clampdown.measure.evaluate import evaluate as evaluate_bundle
from clampdown_runtime.rows.row_format import RowFormat
from clampdown_runtime.sessions.providers import Provider


@click.command(
    short_help="Accuracy and attack success beside the undefended model's.",
    epilog=example(
        "clampdown evaluate my-bundle --clean clean-test.csv --poisoned poisoned-test.csv \\",
        "    --target-label 1",
    ),
)
@bundle_argument
@click.option(
    "--clean",
    type=PATH,
    required=True,
    metavar="FILE",
    help="Clean rows with `text` and `label`, other than those of the calibration.",
)
@click.option(
    "--poisoned",
    type=PATH,
    metavar="FILE",
    help="Rows with the trigger and their true `label`.",
)
@click.option(
    "--target-label",
    type=TEXT,
    metavar="LABEL",
    help="The name or index of the label the trigger leads to.",
)
@row_format_options
@provider_option
@expect_option
@json_option
def evaluate(
    *,
    bundle: Path,
    clean: Path,
    poisoned: Path | None,
    target_label: str | None,
    row_format: RowFormat,
    provider: Provider,
    expected_digest: str | None,
    as_json: bool,
) -> None:
    """Measure BUNDLE on labelled rows, beside the same model without its defence.

    CACC is the accuracy on clean rows and FRR the share of them that is flagged. With poisoned
    rows whose true label is not the target: PACC, the accuracy on them; ASR, the share of them that
    gets the target label; FAR, the share of them that is not flagged. TACC is the accuracy on
    poisoned rows whose true label is the target. These are in percent. AUROC, 0 to 1, is the chance
    that a poisoned row has a higher anomaly score than a clean one.

    Of a model of many labels CACC and PACC are the accuracy over every label of these rows, with
    micro and macro F1 beside them; rows of PACC, ASR and FAR are those without the target label,
    ASR is the share of them that is given it, and TACC that of the poisoned rows that have it.
    """
    with warnings_on_stderr(), terminal_progress() as progress:
        result = evaluate_bundle(
            bundle,
            clean,
            poisoned=poisoned,
            target_label=target_label,
            row_format=row_format,
            provider=provider,
            expected_digest=expected_digest,
            progress=progress,
        )
    if as_json:
        echo_json(dataclasses.asdict(result))
    else:
        echo_evaluation(result)


def echo_evaluation(result: Evaluation) -> None:
    """Print an evaluation as a table of the two models and the figures of the detector."""
    rates = {name: name.upper() for name in ("cacc", "pacc", "asr", "tacc")}
    if isinstance(result.undefended, LabelAccuracies):
        rates |= {
            "micro_f1": "micro F1",
            "macro_f1": "macro F1",
            "poisoned_micro_f1": "micro F1, poisoned",
            "poisoned_macro_f1": "macro F1, poisoned",
        }
    echo_table(
        ("", "undefended", "defended"),
        [
            (
                f"{title} (%)",
                number(getattr(result.undefended, name)),
                number(getattr(result.defended, name)),
            )
            for name, title in rates.items()
            if getattr(result.undefended, name) is not None
        ],
    )
    click.echo()
    facts = {
        "clean answers changed": f"{result.right_to_wrong} from right to wrong, "
        f"{result.wrong_to_right} from wrong to right",
        "FRR (%)": number(result.frr),
    }
    if result.auroc is not None:
        facts |= {"FAR (%)": number(result.far), "AUROC": number(result.auroc, 3)}
    rows = f"{result.clean_rows} clean"
    if result.poisoned_rows is not None:
        rows += f", {result.poisoned_rows} poisoned towards {result.target_label}"
    if result.truncated_rows:
        rows += f"; {result.truncated_rows} too long for the model and seen in part"
    echo_facts({**facts, "rows": rows})
