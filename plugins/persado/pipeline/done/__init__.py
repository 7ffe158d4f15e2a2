"""The success file: writing it, and finding those of others."""
