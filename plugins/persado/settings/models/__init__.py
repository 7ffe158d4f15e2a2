"""The pydantic models of the YAML files: one module a kind of file or section."""
