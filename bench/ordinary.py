"""Contender: a typical first version of an Airflow user, with well-known hooks and libraries."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import time
from pathlib import Path

import gnupg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.sftp.hooks.sftp import SFTPHook


def main(sql: str, inbox: str, gpg_home: str, recipient: str, folder: str) -> None:
    """Deliver and print how long it took."""
    begin = time.perf_counter()
    text, packed, secret = (Path(folder, f"customers.csv{end}") for end in ("", ".gz", ".gz.pgp"))
    frame = PostgresHook("bench_database").get_df(sql)
    frame.to_csv(text, index=False)
    with text.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    done = gnupg.GPG(gnupghome=gpg_home).encrypt_file(
        str(packed), [recipient], always_trust=True, armor=False, output=str(secret)
    )
    if not done.ok:
        raise RuntimeError(done.status)
    SFTPHook("bench_site").store_file(f"{inbox}/customers.csv.gz.pgp", str(secret))
    print(json.dumps({"seconds": time.perf_counter() - begin, "rows": len(frame)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
