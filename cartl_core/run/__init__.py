"""The pipeline: a whole run, its runtime, its outputs and the supervised mode."""
