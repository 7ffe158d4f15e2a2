"""Servers, keys and other helpers for the tests."""
