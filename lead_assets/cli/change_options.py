"""The options by which commands name a change of a campaign."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from lead_assets.cli.completion import setting_names
from lead_assets.domain.changes import Changes
from lead_assets.domain.errors import InvalidInput


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a change: settings, and what is added to the campaign's lists."""
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
        command = option(command)
    return command


def changes_of(
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
            raise InvalidInput(f"--set {assignment!r} has no value; write --set NAME=VALUE.")
        settings[name.strip()] = plain_value(value.strip())
    if not (settings or keywords or subreddits or authors):
        raise InvalidInput(
            "Nothing would change. Give --set, --negative-keyword, --exclude-subreddit or --exclude-author."
        )
    return Changes(settings, keywords, subreddits, authors)


def plain_value(text: str) -> bool | int | float | str:
    """``text`` as a campaign's file would have it."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
