"""SSH keys for tests; each is generated once per test run, because RSA is slow."""

import functools

import asyncssh


@functools.cache
def ssh_key(kind: str = "ssh-ed25519", name: str = "") -> asyncssh.SSHKey:
    """Return a key pair; another name returns another one."""
    return asyncssh.generate_private_key(kind)


def public_line(key: asyncssh.SSHKey) -> str:
    """Return the public key as 'type base64'."""
    return " ".join(key.export_public_key().decode().split()[:2])


def private_text(key: asyncssh.SSHKey, form: str = "openssh", passphrase: str | None = None) -> str:
    """Return the private key as text."""
    return key.export_private_key(form, passphrase).decode()
