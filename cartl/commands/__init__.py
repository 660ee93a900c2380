"""The subcommands of `cartl`, by subject; `cartl.main` registers them."""
