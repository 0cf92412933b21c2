"""The configuration tree as Hydra sees it, through Hydra's public functions: its groups, and what a command line makes
of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError, scan
from yaml.reader import ReaderError

from ufo_rl.config.folder import conf_folder
from ufo_rl.config.open_nodes import freely
from ufo_rl.errors import UserError

HOME = re.compile(r"(?<==)~(?=/|$)")  # Hydra takes a ~ in quotes alone


class UserFolder(SearchPathPlugin):
    """Where --config-dir stands in the search path: behind conf/, as hydra.main has it."""

    path: ClassVar[str | None] = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if self.path is not None:
            search_path.append("command-line", f"file://{os.path.abspath(self.path)}")


class Tree:
    """conf/ and the user's folder with one primary file; made by `open_tree`."""

    def __init__(self, config_name: str | None) -> None:
        self.name = config_name or "config"
        self.loader = GlobalHydra.instance().config_loader()
        self.searchpath: list[str] = []  # overrides that add folders to look for options in
        self.known: dict[tuple[str, ...], set[str]] = {}  # keys that are there, by the options
        self._listed: dict[tuple[Any, ...], list[str]] = {}
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._options: dict[tuple[str, str], Any] = {}
        self._chosen: dict[tuple[str, ...], set[str]] = {}

    @property
    def groups(self) -> list[str]:
        """The groups whose options a user chooses; those below them are parts that options share."""
        return [group for group in self._list("", ObjectType.GROUP) if group != "hydra"]

    def options(self, group: str) -> list[str]:
        return self._list(group, ObjectType.CONFIG)

    def has_default(self, group: str) -> bool:
        """Whether some option of the group is chosen where the user names none, or none is on purpose."""
        composed = self.compose(self.searchpath)
        return group in composed or group in composed.hydra.runtime.choices

    def takes_none(self, group: str) -> bool:
        """Whether the group may be left out: a preset, which has no key of its own, or one that takes a list."""
        return group not in self.compose(self.searchpath) or self.takes_several(group)

    def takes_several(self, group: str) -> bool:
        """Whether the group takes a list of options: Hydra knows no choice of such a one."""
        return group not in self.compose(self.searchpath).hydra.runtime.choices

    def _list(self, group: str, kind: ObjectType) -> list[str]:
        key = (group, kind, *self.searchpath)
        if key not in self._listed:
            self._listed[key] = self.loader.get_group_options(group, kind, self.name, self.searchpath)
        return self._listed[key]

    def chosen_by_files(self, options: Sequence[str]) -> set[str]:
        """The groups whose option the primary file or a preset overrides, of those that these options choose; what options
        of ours propose besides is left out."""
        key = tuple(option for option in options if not _overrides_nothing(option))
        if not key and self.name == "config":
            return set()
        if key not in self._chosen:  # Hydra reads every file once more
            with plainly():
                found = self.loader.compute_defaults_list(self.name, list(key), RunMode.RUN).overrides
            metadata = found.override_metadata.items()
            self._chosen[key] = {group for group, meta in metadata if not meta.external_override}
        return self._chosen[key]

    def own_value(self, group: str, option: str, key: str) -> Any:
        """What an option itself says of a key, without a primary file or preset over it; None where it leaves that open."""
        if (group, option) not in self._options:
            with plainly():
                self._options[group, option] = compose("config", [f"{group}={option}"])[group]
        node = self._options[group, option]
        return None if OmegaConf.is_missing(node, key) else node.get(key)

    def parse(self, texts: Sequence[str]) -> list[Override]:
        """The overrides, each with the text that was typed; UserError with all that are none."""
        parsed, problems = [], []
        for text in texts:
            try:
                override = self._parse(self.in_hydras_words(text))
                override.input_line = text
                parsed.append(override)
            except HydraException as error:
                reason = str(error).splitlines()[0]
                problems.append(
                    f"{text}: not understood ({reason}); write key=value, one argument each, "
                    f"and quote values with special characters: {_quoted(text)}"
                )
        if problems:
            raise UserError(*problems)
        self.searchpath += [str(one.input_line) for one in parsed if one.key_or_group == "hydra.searchpath"]
        return parsed

    def in_hydras_words(self, text: str) -> str:
        """An override as Hydra takes it: keys `freely`, the home folder for a ~ that a path begins with, and an option of
        null, which it takes in files alone, as an empty list."""
        text = HOME.sub(os.path.expanduser("~"), freely(text), count=1)
        override = self._parse(text) if "null" in text else None
        if override is None or override.is_delete() or override.key_or_group not in self.groups:
            return text
        value, key = override.value(), override.get_key_element()
        if value is None:
            return f"{key}=[]"
        if isinstance(value, ChoiceSweep) and None in value.list:
            return f"{key}={','.join('[]' if one == 'null' else one for one in override.sweep_string_iterator())}"
        return text

    def _parse(self, text: str) -> Override:
        (override,) = OverridesParser.create(self.loader).parse_overrides([text])
        return override

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration with Hydra's own node; to be copied, not changed: it is read from its files once."""
        key = tuple(overrides)
        if key not in self._composed:
            try:
                with plainly():
                    self._composed[key] = compose(self.name, list(overrides), return_hydra_config=True)
            except (AssertionError, AttributeError, TypeError, ValueError) as error:  # what Hydra did not foresee
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise UserError(f"{' '.join(overrides)}: Hydra cannot compose this ({reason})") from error
        return self._composed[key]


def _overrides_nothing(text: str) -> bool:
    """Whether it chooses options of ours that override no model, template or recipe, as presets do (`tests/conf`)."""
    group, _, value = text.partition("=")
    options = value.strip("[]").split(",")
    return group != "experiment" and all((conf_folder() / group / f"{option}.yaml").is_file() for option in options)


def _quoted(text: str) -> str:
    """The override with its value in quotes, for a shell; an example where it has none that quotes would mend."""
    key, is_there, value = text.partition("=")
    if not is_there or not value or any(sign in text for sign in "\"'\\{}[]()\n"):
        return "'key=\"a,b\"'"
    return f"'{key}=\"{value}\"'"


@contextmanager
def open_tree(config_dir: str | None, config_name: str | None) -> Iterator[Tree]:
    """The tree. Hydra has one global state, which is empty before and after."""
    config_dir = None if config_dir is None else os.path.expanduser(config_dir)
    if config_dir is not None and not Path(config_dir).is_dir():
        raise UserError(f"--config-dir {config_dir} is no folder")
    Plugins.instance().register(UserFolder)
    GlobalHydra.instance().clear()
    UserFolder.path = config_dir
    try:
        with initialize_config_dir(str(conf_folder()), job_name="ufo-rl", version_base="1.3"):
            yield Tree(config_name)
    finally:
        UserFolder.path = None
        GlobalHydra.instance().clear()


@contextmanager
def plainly() -> Iterator[None]:
    """Errors of composition as a user's mistake: one line each."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise UserError(" ".join(f"{error}{cause}".split())) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.name}:{mark.line + 1}: " if mark else ""
        raise UserError(f"{place}no YAML ({error.problem or error.context})") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(*_unreadable()) from error


def _unreadable() -> list[str]:
    """The files of --config-dir that are no UTF-8, or have characters that YAML forbids: such an error names none."""
    found = []
    for path in sorted(Path(UserFolder.path or conf_folder()).rglob("*.yaml")):
        try:
            for _ in scan(path.read_text(encoding="utf-8")):
                pass
        except MarkedYAMLError:
            continue
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            found.append(f"{path}:{line}: no UTF-8 ({error.reason})")
        except ReaderError as error:
            found.append(f"{path}: no YAML (character {error.position}: {error.reason})")
    return found or ["a file of the configuration cannot be read as UTF-8"]
