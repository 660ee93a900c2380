"""What many workers cost the database and the files: unit costs measured, a fleet simulated with them."""
