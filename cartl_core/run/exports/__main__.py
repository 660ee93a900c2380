"""The exporting process: ``python -m cartl_core.run.exports ORDER.json``, answers as JSON lines on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from cartl_core.compat.end_process import end_process
from cartl_core.run.exports.child import work

if __name__ == "__main__":
    work(Path(sys.argv[1]))
    end_process(0)
