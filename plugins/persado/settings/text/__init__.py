"""YAML text with line numbers, problems and spelling hints."""
