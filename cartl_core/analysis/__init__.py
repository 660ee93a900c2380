"""From outcomes per image to the report: metrics, comparisons, warnings, checks, evidence. Torch-free."""
