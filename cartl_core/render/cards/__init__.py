"""What others' collections of networks ask for: a model card, and RobustBench's model info."""
