"""Where conf/ is: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path


def conf_folder() -> Path:
    """The absolute path of the configuration tree."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"the configuration tree conf/ is missing beside and inside {package}; reinstall ufo-rl")
