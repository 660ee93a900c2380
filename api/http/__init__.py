"""What holds for requests and answers of every path: bodies, errors, pages, files, limits."""
