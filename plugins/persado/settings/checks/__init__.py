"""Checks across files: references, chains of deliveries, queries and transform modules."""
