"""SSH keys made on the spot; each kind once a test run, because RSA takes its time."""

import functools

import asyncssh


@functools.cache
def ssh_key(kind: str = "ssh-ed25519", name: str = "") -> asyncssh.SSHKey:
    """Give a key pair; another name gives another one."""
    return asyncssh.generate_private_key(kind)


def public_line(key: asyncssh.SSHKey) -> str:
    """Give the public half as 'type base64'."""
    return " ".join(key.export_public_key().decode().split()[:2])


def private_text(key: asyncssh.SSHKey, form: str = "openssh", passphrase: str | None = None) -> str:
    """Give the private half as text."""
    return key.export_private_key(form, passphrase).decode()
