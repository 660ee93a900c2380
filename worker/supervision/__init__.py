"""One claimed job: its subprocess, lease, events and outcome."""
