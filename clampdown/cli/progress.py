"""Progress bars on standard error, where that is a terminal; nothing otherwise."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clampdown_runtime.progress import Progress, silent

if TYPE_CHECKING:
    from rich.progress import TaskID


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Show a bar for every stage, with its steps and its time; a total of 0 means unknown."""
    if not sys.stderr.isatty():
        yield silent
        return
    # Imported here: a command that is not on a terminal does not wait for it.
    from rich import progress as bars  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        # Percent, or steps per second where the total is unknown.
        bars.TaskProgressColumn(show_speed=True),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as display:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = display.add_task(stage, total=total or None)
            display.update(tasks[stage], completed=done, total=total or None)

        yield show
