"""Names a Parquet file in what goes wrong while it is read."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from clampdown.score.places.place import Place
from clampdown.score.places.store_path import explained
from clampdown_runtime.rows.refusals import refuse


@contextmanager
def readable(place: Place) -> Iterator[None]:
    """Refuses what is not valid Parquet, in the footer and behind it.

    Raises:
        FileNotFoundError: there is no such file.
        RowsError: it is damaged.
        ClampdownError: an object store did not answer, or the object is damaged.
    """
    try:
        with explained(place):
            yield
    except (OSError, pa.ArrowException) as error:
        # Of the contents pyarrow raises either; the system's own errors have a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        refuse(place, found=f"a file that is not valid Parquet ({error})", expected="Parquet")
