"""Robust transfer learning: CARTL and its rivals, trained, attacked and reported.

This package knows no SQL, no HTTP and no task queue. The modules ``spec``, ``catalog``, ``resolve``,
``events``, ``errors``, ``statistics``, ``report`` and ``render`` import no torch, so that the
service's front end can share their types.
"""

__version__ = "0.1.0"
