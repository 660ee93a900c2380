"""The service over HTTP: its address, a connection, typed answers, downloads, errors."""
