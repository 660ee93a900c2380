"""All rows: ``make bench`` measures those that are here. A new one is a module with a ``Row`` and a line."""

from __future__ import annotations

from benchmarks.ratios import training_steps, transfer_epochs
from benchmarks.ratios.contest import Row

ROWS: dict[str, Row] = {row.name: row for row in (*training_steps.ROWS, *transfer_epochs.ROWS)}
"""By name, in the order in which they are shown."""
