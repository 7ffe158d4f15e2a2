"""Encode: compress the text or put it into an archive."""
