"""The demo's files and folders: all of them are below `.demo` in the checkout, which git ignores."""

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
        """Everything that the demo creates; readable by its owner only."""
        return self.root / ".demo"

    @property
    def warehouse(self) -> Path:
        """The sample warehouse, a DuckDB file."""
        return self.demo / "warehouse.duckdb"

    @property
    def site(self) -> Path:
        """The stand-in site's files: the root folder that an SFTP client sees."""
        return self.demo / "site"

    @property
    def site_log(self) -> Path:
        """Every operation at the stand-in site, one JSON object a line."""
        return self.demo / "site.log"

    @property
    def secrets(self) -> Path:
        """Generated pass phrases and private keys."""
        return self.demo / "secrets"

    @property
    def config(self) -> Path:
        """`[persado] config_dir` of the demo: include/persado, with the demo's own keys."""
        return self.demo / "persado"

    @property
    def airflow_home(self) -> Path:
        """The private Airflow home, recreated at every start."""
        return self.demo / "airflow"

    @property
    def logs(self) -> Path:
        """The output of each process that the demo starts."""
        return self.demo / "logs"

    @property
    def cache(self) -> Path:
        """What takes long to create and can be reused, such as an empty Airflow database."""
        return self.demo / "cache"

    def make_folders(self) -> None:
        """Create the folders, readable by the owner only."""
        for folder in (self.demo, self.site, self.secrets, self.config, self.logs, self.cache):
            folder.mkdir(mode=0o700, exist_ok=True)


HERE = Layout(Path(__file__).resolve().parent.parent)
