"""The database: engine, sessions, SQL dialects and advisory locks."""
