"""What is measured of a network, field by field: attacks, certificates, corruptions, curves. Torch-free."""
