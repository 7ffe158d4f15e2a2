"""The models of what people write in YAML."""
