"""What one GPU does with this library, in one command without a network: ``python -m benchmarks.gpu``."""
