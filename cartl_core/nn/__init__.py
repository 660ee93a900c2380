"""Networks as ordered blocks, their files, losses, Lipschitz bounds and NEFT."""
