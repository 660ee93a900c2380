"""Fixtures that several areas share live in tests/fixtures."""

pytest_plugins = ["tests.fixtures.databases", "tests.fixtures.redis", "tests.fixtures.workers"]
