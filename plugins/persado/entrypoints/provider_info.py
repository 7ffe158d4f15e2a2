"""Provider metadata; loaded in every Airflow process, so it uses the standard library only."""

from __future__ import annotations

from typing import Any

_SECRET = {"type": ["string", "null"], "format": "password"}
_SECONDS = {"type": ["number", "null"], "exclusiveMinimum": 0}


def get_provider_info() -> dict[str, Any]:
    """Return the connection type ``persado`` with its form, and the options of the section ``[persado]``."""
    return {
        "package-name": "persado-airflow",
        "name": "Persado",
        "description": "Sends query results to Persado over SFTP.",
        "connection-types": [
            {
                "connection-type": "persado",
                "hook-class-name": "persado.hooks.PersadoHook",
                "hook-name": "Persado",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {"host": "Site", "login": "Account", "password": "Pass phrase"},
                    "placeholders": {
                        "host": "psftp.persado.com (Europe: eu-psftp.persado.com)",
                        "port": "22",
                        "login": "<persado_account_name>_amp",
                    },
                },
                "conn-fields": {
                    "host_key": {
                        "label": "Host key",
                        "description": (
                            "The site's public key, as 'ssh-ed25519 AAAA...' or a line of known_hosts; during a key "
                            "rotation several, one per line. Nothing is sent without it. The connection test shows the "
                            "site's key: compare it with the one that Persado gives you."
                        ),
                        "schema": {"type": ["string", "null"], "format": "multiline"},
                    },
                    "private_key": {
                        "label": "Private key",
                        "description": "A private key in OpenSSH or PEM form, instead of the account's pass phrase.",
                        "schema": _SECRET,
                    },
                    "private_key_passphrase": {
                        "label": "Private key's pass phrase",
                        "description": "Pass phrase of the private key, if it is encrypted.",
                        "schema": _SECRET,
                    },
                    "connect_timeout": {
                        "label": "Connect time-out",
                        "description": "Seconds to wait for the connection, and again for the login. Default: 10.",
                        "schema": _SECONDS,
                    },
                    "channel_timeout": {
                        "label": "Channel time-out",
                        "description": "Seconds to wait for each response of the site. Default: 60.",
                        "schema": _SECONDS,
                    },
                },
            }
        ],
        "config": {
            "persado": {
                "description": "Deliveries to Persado.",
                "options": {
                    "config_dir": {
                        "description": "Folder of destinations, data templates, orchestrations, queries and keys.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": None,
                        "default": "{AIRFLOW_HOME}/include/persado",
                    },
                    "stage_uri": {
                        "description": (
                            "Where a delivery's files are stored between tasks: a private local folder, or object "
                            "storage (s3://...) if workers do not share a disk."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@bucket/persado",
                        "default": "file://{AIRFLOW_HOME}/stage",
                    },
                },
            }
        },
    }
