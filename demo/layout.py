"""Where the demo keeps its things: all of it below `.demo` in the checkout, which git ignores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """
    The paths of one checkout's demo.

    :param root: the checkout
    """

    root: Path

    @property
    def demo(self) -> Path:
        """Everything that the demo makes; only its owner may look in."""
        return self.root / ".demo"

    @property
    def warehouse(self) -> Path:
        """The sample warehouse, a DuckDB file."""
        return self.demo / "warehouse.duckdb"

    @property
    def site(self) -> Path:
        """What the stand-in site holds: the root folder that an SFTP client sees."""
        return self.demo / "site"

    @property
    def site_log(self) -> Path:
        """Every operation at the stand-in site, one JSON object a line."""
        return self.demo / "site.log"

    @property
    def secrets(self) -> Path:
        """Pass phrases and private keys, made on the spot."""
        return self.demo / "secrets"

    @property
    def config(self) -> Path:
        """`[persado] config_dir` of the demo: include/persado, with the demo's own keys."""
        return self.demo / "persado"

    @property
    def airflow_home(self) -> Path:
        """The private Airflow home, made anew at every start."""
        return self.demo / "airflow"

    @property
    def logs(self) -> Path:
        """The output of each process that the demo starts."""
        return self.demo / "logs"

    @property
    def cache(self) -> Path:
        """What takes long to make and stays good, such as an empty Airflow database."""
        return self.demo / "cache"

    def make_folders(self) -> None:
        """Make the folders, closed to everybody else."""
        for folder in (self.demo, self.site, self.secrets, self.config, self.logs, self.cache):
            folder.mkdir(mode=0o700, exist_ok=True)


HERE = Layout(Path(__file__).resolve().parent.parent)
