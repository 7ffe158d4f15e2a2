"""A package, so that package-scoped fixtures end with the last of its tests."""
