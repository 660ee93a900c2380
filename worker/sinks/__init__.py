"""What hears of jobs, each in a process of its own beside the worker: trackers, and senders of webhooks."""
