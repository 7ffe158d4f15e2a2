"""Encrypt: OpenPGP, by gpg in a private home folder."""
