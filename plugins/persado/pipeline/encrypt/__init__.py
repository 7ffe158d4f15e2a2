"""Encrypt: OpenPGP, done by gpg in a private home folder."""
