"""Filename templates: their syntax, date patterns and time zones."""
