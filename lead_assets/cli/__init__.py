"""The command ``lead-assets``. A user's mistake is one sentence and exit code 2, never a traceback."""

import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from lead_assets.domain.errors import InvalidInput, LeadAssetsError, RunInterrupted, Unavailable
from lead_assets.domain.plain_text import printable
from lead_assets.interruption import INTERRUPTED, SENTENCE, ends_in_one_sentence

USERS_MISTAKE, FAILED = 2, 1

COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("servers:up", "Start the embedded servers, and bring schema and index to this version."),
    "down": ("servers:down", "Stop the embedded servers; their data stays."),
    "status": ("status:status", "Show the servers, the schema, and what is stored for each campaign."),
    "env": ("status:env", "Print the environment for other programs, as shell exports. It holds secrets."),
    "dev": ("servers:dev", "Serve the inbox page and the Dagster UI with its daemon."),
    "reload": ("reloading:reload", "Let the running Dagster read the definitions again."),
    "worker": ("working:worker", "Execute steps of runs on Celery, from the queues that are named."),
    "run": ("running:run", "Find leads for CAMPAIGN: materialize the whole graph, and print the funnel."),
    "backfill": (
        "backfilling:backfill",
        "Run campaigns through Dagster's queue: what is missing, or all.",
    ),
    "demo": ("running:demo", "Run the sample campaigns on the sample corpus, from nothing to leads."),
    "leads": ("leads:leads", "Show the qualified leads of CAMPAIGN, best first, with the reason for each."),
    "inbox": ("inboxing:inbox", "Give leads a status or a note, undo, and show what was decided."),
    "mark": ("marking:mark", "Say whether documents of CAMPAIGN are leads."),
    "marks": ("marking:marks", "Export and import marks, and see what to mark."),
    "candidates": ("candidates:candidates", "Show the kept candidates of CAMPAIGN, best first."),
    "explain": (
        "explanation:explain",
        "Show everything about one document: each gate, each score, what was read.",
    ),
    "campaigns": ("campaigns:campaigns", "List, create, change, validate and remove campaigns."),
    "preview": (
        "previewing:preview_command",
        "Show which leads would go and come under other settings; nothing is changed.",
    ),
    "report": ("reporting:report", "Print the leads of CAMPAIGN as one HTML file, to open, print or send."),
    "export": ("exporting:export", "Write leads, candidates and rejections of CAMPAIGN into files."),
    "evaluate": ("evaluating:evaluate_command", "Measure the ranking on labelled campaigns."),
    "train": ("training:train", "Train a lead model on labelled campaigns."),
    "notify": ("notifying:notify", "Try alerts, and show what waits to be sent."),
    "backup": ("saving:backup", "Save all that is stored, and the campaign files, in one file."),
    "restore": ("saving:restore", "Store what a backup has, and fill the search index from it."),
    "sweep": ("sweeping:sweep", "Remove from every store what was deleted or removed on Reddit."),
    "api": ("serving:api", "Serve the inbox page and the HTTP API."),
    "mcp": ("assisting:mcp", "Serve leads to an assistant over MCP on standard input and output."),
    "tokens": ("serving:tokens", "Make, list and revoke tokens of the HTTP API."),
}
"""Each command's module and what it does: a command is imported when it is used, since some import all of Dagster."""


OF_A_CAMPAIGN = frozenset({"run", "backfill", "leads", "mark", "candidates", "explain", "preview", "report", "export"})
"""The commands whose next word is a campaign."""


def load_command(name: str) -> click.Command:
    """The command of this name, imported now."""
    module, function = COMMANDS[name][0].split(":")
    with ends_in_one_sentence():
        return getattr(importlib.import_module(f"lead_assets.cli.{module}"), function)


def load_env_files(warn: Callable[[str], object]) -> None:
    """Read the files ``.env``; where one stands comes first, and what is set already stays."""
    from lead_assets.config import env_files
    from lead_assets.config.environment import PROJECT

    env_files.load((Path.cwd(), PROJECT), os.environ, warn)


class _Commands(click.Group):
    """Imports a command when it is used, and reports our errors in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        return load_command(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command; while a shell asks for a campaign or a setting, a stand-in that knows them."""
        name, *given = args
        if ctx.resilient_parsing and name in OF_A_CAMPAIGN and given[-1:] in ([], ["--set"]):
            from lead_assets.cli.completion import StandIn

            return name, StandIn(name), given[-1:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table above: help imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands and options, without importing the commands."""
        names = [CompletionItem(name, help=about) for name, (_, about) in COMMANDS.items()]
        commands = [item for item in names if item.value.startswith(incomplete)]
        return commands or click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program; what a terminal or file cannot show is written as its code."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that a person can mend end it with their sentence."""
        try:
            return super().invoke(ctx)
        except LeadAssetsError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(_exit_code(error))
        except KeyboardInterrupt:
            click.echo(SENTENCE, err=True)
            ctx.exit(INTERRUPTED)
        except click.Abort:
            # A question at the end of input; with a terminal, Ctrl-C answers it so.
            if not sys.stdin.isatty():
                click.echo("Error: There is nobody to answer. Give what is asked as options: see --help.", err=True)
                ctx.exit(USERS_MISTAKE)
            raise
        except BrokenPipeError:
            # The reader of our output (`| head`) has gone: there is nobody to tell, and nothing to flush.
            sys.stdout = None
            ctx.exit(FAILED)
        except OSError as error:
            click.echo(f"Error: {error.strerror or error}. The output could not be written.", err=True)
            sys.stdout = None
            ctx.exit(FAILED)


def _exit_code(error: LeadAssetsError) -> int:
    if isinstance(error, RunInterrupted):
        return INTERRUPTED
    return USERS_MISTAKE if isinstance(error, InvalidInput | Unavailable) else FAILED


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lead_assets")
@click.option(
    "--campaigns-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of campaign files (default: LEAD_ASSETS_CAMPAIGNS, else campaigns/).",
)
def main(campaigns_dir: Path | None) -> None:
    """Find sales leads on Reddit: one campaign file, one command, today's leads with the reason for each."""
    load_env_files(lambda told: click.echo(f"Warning: {printable(told)}", err=True))
    if campaigns_dir is not None:
        os.environ["LEAD_ASSETS_CAMPAIGNS"] = str(campaigns_dir.absolute())
