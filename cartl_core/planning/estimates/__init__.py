"""What stages cost: counted, then corrected by measured rates. Torch-free."""
