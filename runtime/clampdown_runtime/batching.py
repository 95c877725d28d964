"""Groups rows of similar length, so that a batch has little padding."""

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Plans batches of rows in the order of their lengths.

    Args:
        lengths: the length of each row in tokens.
        batch_size: the most rows in a batch, at least 1.

    Returns:
        The indices of the rows in each batch; every index once. A caller that writes each result
        at its row's index has the original order back.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
