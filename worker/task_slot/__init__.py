"""A worker's slot for tasks: one at a time, with one thread, beside the training slots."""
