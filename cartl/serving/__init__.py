"""The service on one machine: its processes, their logs, what must be installed."""
