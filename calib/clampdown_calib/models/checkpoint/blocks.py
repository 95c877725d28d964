"""Which modules of a network run, how often and in what order, and what they put out."""

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Layer:
    """One execution of a block: a module that is shared between layers is called several times."""

    module: str
    call: int
    shared: bool

    @property
    def name(self) -> str:
        """The module's name, followed by ``#call`` where the module is shared."""
        return f"{self.module}#{self.call}" if self.shared else self.module


def run_order(
    model: torch.nn.Module,
    modules: Iterable[str],
    run: Callable[[], object],
    *,
    check: Callable[[str, tuple[int, ...] | None], None] | None = None,
) -> list[Layer]:
    """Run the model once and note which of the modules run, how often and in what order.

    Args:
        model: the network.
        modules: names of modules of it.
        run: runs it.
        check: called with the name of each that runs and the shape of its output, None where that
            is no tensor.
    """
    ran: list[tuple[str, int]] = []

    def note(name: str, call: int, hidden: torch.Tensor) -> None:
        if check is not None:
            check(name, tuple(hidden.shape) if isinstance(hidden, torch.Tensor) else None)
        ran.append((name, call))

    with hooked(model, modules, note):
        run()
    times = Counter(name for name, _ in ran)
    return [Layer(name, call, shared=times[name] > 1) for name, call in ran]


@contextmanager
def hooked(
    model: torch.nn.Module,
    modules: Iterable[str],
    visit: Callable[[str, int, torch.Tensor], torch.Tensor | None],
) -> Iterator[None]:
    """Call ``visit`` with a module's name, its call number in this run, and its hidden state."""
    calls: Counter[str] = Counter()

    def hook_of(name: str) -> Callable[[object, object, object], object]:
        def hook(_module: object, _inputs: object, output: object) -> object:
            hidden: Any = output[0] if isinstance(output, tuple) else output
            replaced = visit(name, calls[name], hidden)
            calls[name] += 1
            if replaced is None or not isinstance(output, tuple):
                return replaced
            return (replaced, *output[1:])

        return hook

    handles = [model.register_forward_pre_hook(lambda *_: calls.clear())]
    handles += [model.get_submodule(name).register_forward_hook(hook_of(name)) for name in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def matches(name: str, glob: str) -> bool:
    """A glob over dotted names in which ``*`` does not cross a dot."""
    parts, patterns = name.split("."), glob.split(".")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))
