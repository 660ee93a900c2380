"""The subcommands of `cartl`, by subject; `registered` has them all."""
