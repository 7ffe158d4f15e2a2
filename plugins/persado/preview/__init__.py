"""Previews of what a delivery would send, and dry runs."""
