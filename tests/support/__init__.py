"""Real servers and keys for the tests."""
