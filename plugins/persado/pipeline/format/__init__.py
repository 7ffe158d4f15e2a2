"""Format: values as text, and text as delimited lines."""
