"""The history of the tables, as Alembic migrations; run them with ``python -m jobs migrate``."""
