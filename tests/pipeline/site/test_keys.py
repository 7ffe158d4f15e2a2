"""Keys are read as people paste them, checked against ssh-keygen."""

import base64
import re
import subprocess
from pathlib import Path

import pytest
from support.sites.keys import public_line, ssh_key

from persado.errors import ConfigurationError
from persado.pipeline.site.keys import fingerprint, pinned_host_keys, read_private_key

SITE = "psftp.persado.com"
KINDS = ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]


def keygen(*arguments: str | Path) -> str:
    return subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True, text=True).stdout


def make_key(folder: Path, kind: str, form: str, passphrase: str) -> tuple[str, str]:
    """Return a private key from ssh-keygen, and its fingerprint."""
    path = folder / "key"
    keygen(
        "-q",
        "-t",
        kind,
        *(["-b", "2048"] if kind == "rsa" else []),
        *(["-m", form] if form else []),
        "-a",
        "1",
        "-N",
        passphrase,
        "-f",
        path,
    )
    return path.read_text(), keygen("-l", "-f", path).split()[1]


def pins(text: str, known_as: str = SITE) -> list[str]:
    return [f"{key.get_name()} {key.get_base64()}" for key in pinned_host_keys(text, known_as)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pin_in_each_form(kind: str) -> None:
    line = public_line(ssh_key(kind))
    for form in (line, line.split()[1], f"{line} root@site", f"{SITE} {line}", f"{SITE},192.0.2.1 {line} comment"):
        assert pins(form) == [line]


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    for kind in KINDS:
        path = tmp_path / "key.pub"
        path.write_text(public_line(ssh_key(kind)))
        (key,) = pinned_host_keys(path.read_text(), SITE)
        assert fingerprint(key) == keygen("-l", "-f", path).split()[1]


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\\n", "\n\n# the next one\n  "])
def test_several_pins_for_a_rotation(separator: str) -> None:
    lines = [public_line(ssh_key(kind)) for kind in KINDS]
    assert pins(separator.join(lines)) == lines


def test_no_pins() -> None:
    assert pins("") == pins("\n# nothing\n") == []


@pytest.mark.parametrize("known_as", [SITE, f"[{SITE}]:2222"])
def test_known_hosts_lines_of_this_site_count(known_as: str, tmp_path: Path) -> None:
    mine, other = public_line(ssh_key()), public_line(ssh_key("ecdsa-sha2-nistp256"))
    text = f"other.example {other}\n{known_as} {mine}\n"
    assert pins(text, known_as) == [mine]
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(text)
    keygen("-q", "-H", "-f", known_hosts)
    hashed = known_hosts.read_text()
    assert SITE not in hashed
    assert pins(hashed, known_as) == [mine]


def test_site_names_are_case_insensitive(tmp_path: Path) -> None:
    line = public_line(ssh_key())
    for written, known_as in ((SITE, SITE.upper()), (SITE.upper(), SITE), (f"[{SITE.upper()}]:2222", f"[{SITE}]:2222")):
        assert pins(f"{written} {line}", known_as) == [line]
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{SITE} {line}\n")
    keygen("-q", "-H", "-f", known_hosts)
    assert pins(known_hosts.read_text(), SITE.upper()) == [line]


def test_keys_of_other_sites_only() -> None:
    with pytest.raises(ConfigurationError, match=r"expected a key of \[eu\]:22, got keys of \[eu\]:2222 only"):
        pinned_host_keys(f"[eu]:2222 {public_line(ssh_key())}", "[eu]:22")


@pytest.mark.parametrize(
    "line",
    [
        "SHA256:0kN06bJcDVO5q7gZ3Dg3uxUYB3+2nXkBfsCE1Zkh3Jk",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "AAAAC3NzaC1lZDI1NTE5AAAAI",
        "AAAA====",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJhc2U2NA==",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAP",
        "AAAAB3NzaC1yc2EAAAADAQAB",
        "AAAA////AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAA",
        "Å AAAA é",
    ],
)
def test_invalid_pins(line: str) -> None:
    with pytest.raises(ConfigurationError, match="extra host_key, line 3: expected a public key such as"):
        pinned_host_keys(f"{public_line(ssh_key())}\n\n{line}", SITE)


@pytest.mark.parametrize("marker", ["@cert-authority", "@revoked"])
def test_markers_are_refused(marker: str) -> None:
    with pytest.raises(ConfigurationError, match=f"line 1: {marker} is not supported"):
        pinned_host_keys(f"{marker} * {public_line(ssh_key())}", SITE)


PRIVATE = [
    ("ed25519", ""),
    *((kind, form) for kind in ("rsa", "ecdsa") for form in ("", "PEM", "PKCS8")),
]


@pytest.mark.parametrize("passphrase", ["", "Geheim! ü"])
@pytest.mark.parametrize(("kind", "form"), PRIVATE)
def test_private_keys(kind: str, form: str, passphrase: str, tmp_path: Path) -> None:
    text, expected = make_key(tmp_path, kind, form, passphrase)
    pasted = [
        text,
        f"\n  {text}\n\n",
        text.replace("\n", "\r\n"),
        text.replace("\n", "\\n"),
        text.replace("\n", "\\r\\n"),
        text.replace("\n", "\n    "),
    ]
    if "DEK-Info" not in text:
        pasted += [text.replace("\n", ""), text.replace("\n", " ")]
    for variant in pasted:
        assert fingerprint(read_private_key(variant, passphrase or None)) == expected


@pytest.mark.parametrize(("kind", "form"), PRIVATE)
def test_missing_and_wrong_pass_phrases(kind: str, form: str, tmp_path: Path) -> None:
    text, _ = make_key(tmp_path, kind, form, "Geheim!")
    for passphrase, problem in {
        None: "it is encrypted: set",
        "": "it is encrypted: set",
        "geheim!": "private_key_passphrase is wrong",
    }.items():
        with pytest.raises(ConfigurationError, match=problem) as caught:
            read_private_key(text, passphrase)
        assert "extra private_key: " in str(caught.value)
        assert passphrase is None or not passphrase or passphrase not in str(caught.value)


def test_a_pass_phrase_for_a_key_without_one(tmp_path: Path) -> None:
    text, _ = make_key(tmp_path, "ed25519", "", "")
    with pytest.raises(ConfigurationError, match="is set, but this key has none: clear it"):
        read_private_key(text, "Geheim!")


def test_an_invalid_private_key_is_never_shown(tmp_path: Path) -> None:
    text, _ = make_key(tmp_path, "ed25519", "", "")
    lines = text.splitlines()
    broken = [
        "",
        "hunter2",
        "\n".join(lines[1:]),
        "\n".join(lines[:-1]),
        "\n".join([lines[0], *lines[2:]]),
        text.replace("OPENSSH", "RSA"),
        text.upper(),
    ]
    for variant in broken:
        with pytest.raises(ConfigurationError, match="it is not a private key in OpenSSH or PEM format") as caught:
            read_private_key(variant, None)
        assert caught.value.__cause__ is caught.value.__context__ is None
        for word in re.findall(r"\S{10,}", variant):
            assert word not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOJp2YOn", "it is a public key; paste the private key"),
        ("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY me@here", "it is a public key"),
        ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "it is a public key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----", "it is a public key"),
        (
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 2\nAAAA",
            "export it in OpenSSH format with PuTTYgen",
        ),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "it is a certificate"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nx\n-----END PGP PRIVATE KEY BLOCK-----", "it is an OpenPGP key"),
    ],
)
def test_other_formats_in_place_of_a_private_key(text: str, problem: str) -> None:
    for form in (text, text.replace("\n", "\\n")):
        with pytest.raises(ConfigurationError, match=f"extra private_key: .*{problem}"):
            read_private_key(form, None)


def test_an_unsupported_key_type(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed448", "-out", tmp_path / "key"], check=True, capture_output=True
    )
    with pytest.raises(ConfigurationError, match="its type is not supported"):
        read_private_key((tmp_path / "key").read_text(), None)


def test_the_type_of_a_pin_is_read_from_its_data() -> None:
    kind, data = public_line(ssh_key("ssh-rsa")).split()
    assert base64.b64decode(data)[4:11] == kind.encode()
    # A wrong type name in front of the key is ignored.
    assert pins(f"ssh-ed25519 {data}") == [f"ssh-rsa {data}"]
