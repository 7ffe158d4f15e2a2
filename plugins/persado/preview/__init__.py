"""What a delivery would send: dry runs, and previews without a scheduler."""
