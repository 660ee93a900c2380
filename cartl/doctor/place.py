"""Where the service of this machine keeps its things, as the command starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A data directory, and the variables that move parts of it elsewhere.

    Attributes:
        data_dir: holds everything that no variable moves.
        variables: of the process.
    """

    data_dir: Path
    variables: Mapping[str, str]

    @property
    def settings(self) -> dict[str, str]:
        """What the programs of the service are told."""
        return {"CARTL_DATA_DIR": str(self.data_dir)}

    @property
    def data_root(self) -> Path:
        """Where data sets are looked for."""
        return Path(self.variables.get("CARTL_DATA_ROOT") or self.data_dir / "data")

    @property
    def folders(self) -> dict[str, Path]:
        """What is kept, and where."""
        named = {"stages": "CARTL_STAGES_DIR", "artifacts": "CARTL_ARTIFACTS_DIR"}
        moved = {
            name: Path(self.variables.get(variable) or self.data_dir / name)
            for name, variable in named.items()
        }
        return {"everything": self.data_dir, "data": self.data_root, **moved}

    @property
    def has_own_database(self) -> bool:
        """Whether the database is the file that `cartl up` makes."""
        return not self.variables.get("CARTL_DATABASE_URL")

    @property
    def database_file(self) -> Path:
        """Where `cartl up` makes it."""
        return self.data_dir / "cartl.sqlite3"
