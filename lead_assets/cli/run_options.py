"""What the options of a run say, as the config of ``run_settings``."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from lead_assets.cli.completion import setting_names
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.settings import meant

source_option = click.option("--source", help="Where documents come from in this run: reddit, arctic_shift or archive.")
path_option = click.option("--path", type=click.Path(path_type=Path), help="The archive file (.ndjson or .zst).")
as_of_option = click.option("--as-of", help="Day as of which ages are judged, such as 2026-01-31.")
set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting for this run, repeatable.",
    shell_complete=setting_names,
)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a run; they reach it as its one argument ``config``, with what was given."""

    @functools.wraps(command)
    def with_config(
        source: str | None, path: Path | None, as_of: str | None, assignments: tuple[str, ...], **others: Any
    ) -> Any:
        archive = str(path.absolute()) if path else None
        given = {"source": source, "archive_path": archive, "as_of": as_of, **assigned(assignments)}
        config = typed_config({name: value for name, value in given.items() if value is not None})
        return command(config=config, **others)

    for option in (set_option, as_of_option, path_option, source_option):  # the last one is shown first
        with_config = option(with_config)
    return with_config


def assigned(assignments: tuple[str, ...]) -> dict[str, Any]:
    """The settings of ``--set NAME=VALUE`` options, as text.

    Raises:
        InvalidInput: an option has no value.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise InvalidInput(f"--set {assignment!r} has no value. Write --set NAME=VALUE.")
        values[name.strip()] = value.strip()
    return values


def typed_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Text from the command line as what Dagster's config wants; the settings themselves check the values.

    Raises:
        InvalidInput: there is no setting of a name, or a value is not of its type.
    """
    typed: dict[str, Any] = {}
    for name, value in config.items():
        field = RunSettings.model_fields.get(name)
        if field is None:
            raise InvalidInput(f"There is no setting {name}{meant(name)}")
        typed[name] = _converted(name, value, str(field.annotation))
    return typed


def _converted(name: str, value: Any, annotation: str) -> Any:
    try:
        if "bool" in annotation:
            return {"true": True, "false": False}[str(value).lower()]
        if "int" in annotation:
            return int(value)
        return float(value) if "float" in annotation else value
    except (KeyError, ValueError):
        raise InvalidInput(f"{name}={value} is not a value of this setting.") from None
