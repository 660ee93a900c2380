"""The record of a run: SQL, the Celery client, artifacts, settings. Imports no torch."""
