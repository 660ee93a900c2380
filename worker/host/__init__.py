"""The worker process: identity, maintenance rounds, shutdown."""
