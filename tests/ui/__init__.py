"""Makes this folder a package: what all its tests share ends with the last of them."""
