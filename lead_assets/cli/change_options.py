"""The options by which commands name a change of a campaign."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click

from lead_assets.cli.completion import setting_names
from lead_assets.domain.changes import Changes
from lead_assets.domain.errors import InvalidInput


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a change; they reach it as its one argument ``changes``."""

    @functools.wraps(command)
    def with_changes(
        assignments: tuple[str, ...],
        keywords: tuple[str, ...],
        subreddits: tuple[str, ...],
        authors: tuple[str, ...],
        **others: Any,
    ) -> Any:
        return command(changes=_changes(assignments, keywords, subreddits, authors), **others)

    for option in (
        click.option("--exclude-author", "authors", multiple=True, metavar="NAME", help="An author, repeatable."),
        click.option("--exclude-subreddit", "subreddits", multiple=True, metavar="NAME", help="Repeatable."),
        click.option("--negative-keyword", "keywords", multiple=True, metavar="KEYWORD", help="Repeatable."),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="NAME=VALUE",
            help="A setting, repeatable.",
            shell_complete=setting_names,
        ),
    ):
        with_changes = option(with_changes)
    return with_changes


def _changes(
    assignments: Sequence[str], keywords: Sequence[str], subreddits: Sequence[str], authors: Sequence[str]
) -> Changes:
    """The change that the options name.

    Raises:
        InvalidInput: there is none, or an assignment has no value.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not value.strip():
            raise InvalidInput(f"--set {assignment!r} has no value. Write --set NAME=VALUE.")
        settings[name.strip()] = _plain_value(value.strip())
    if not (settings or keywords or subreddits or authors):
        raise InvalidInput(
            "Nothing would change. Give --set, --negative-keyword, --exclude-subreddit or --exclude-author."
        )
    return Changes(settings, keywords, subreddits, authors)


def _plain_value(text: str) -> bool | int | float | str:
    """``text`` as a campaign's file would have it."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
