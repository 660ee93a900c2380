"""Pages for people: signed in with a key, or on this machine while there is none."""

from api.routes.ui import compare, job, jobs, keys, new_job, resources, session, sweeps, webhooks, workers

PARTS = tuple(
    part.router for part in (session, jobs, new_job, compare, sweeps, resources, workers, webhooks, keys, job)
)
"""In this order: the form of a new job has a path that could be a job's."""
