"""The text of --help."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

from ufo_rl.config.tree import open_tree


def help_text(overrides: Sequence[str] = (), config_dir: str | None = None, config_name: str | None = None) -> str:
    """The template of conf/config.yaml with the options of each group. Hydra's own --help would list the parts that
    options share, which nobody chooses, as groups too."""
    with open_tree(config_dir, config_name) as tree:
        template = tree.compose(list(overrides)).hydra.help.template
        options = {group: ", ".join(tree.options(group)) for group in sorted(tree.groups)}
    groups = "".join(f"{group}: {names}\n" for group, names in options.items() if names)
    return Template(template).safe_substitute(APP_CONFIG_GROUPS=groups)
