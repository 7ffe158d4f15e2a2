"""The folder of YAML files: reading it, wrong keys, JSON Schema."""
