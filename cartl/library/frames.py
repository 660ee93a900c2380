"""Tables as data frames, where pandas is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from cartl.http.problems import NotInstalled


def frame(records: Sequence[Mapping[str, Any]]) -> Any:
    """A ``pandas.DataFrame`` with a row for each record.

    Raises:
        NotInstalled: pandas is missing.
    """
    try:
        pandas = import_module("pandas")
    except ImportError as error:
        raise NotInstalled("to_pandas() needs pandas, which is not installed: pip install pandas") from error
    return pandas.DataFrame.from_records([dict(record) for record in records])
