"""Format: turn values into text, and text into delimited lines."""
