"""Criteria that were said before the run: judged from outcomes, and recomputed from stored ones."""
