"""Where the time goes, by kind of operation, in a plain way and in ours."""
