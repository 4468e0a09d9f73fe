"""The command ``lead-assets``. A user's mistake is one sentence and exit code 2, never a traceback."""

import sys
from pathlib import Path
from typing import Any

import click
from dotenv import load_dotenv

from lead_assets.cli.backfilling import backfill
from lead_assets.cli.campaigns import campaigns
from lead_assets.cli.evaluating import evaluate_command
from lead_assets.cli.reading import candidates, explain, export, leads
from lead_assets.cli.reloading import reload
from lead_assets.cli.running import demo, run
from lead_assets.cli.servers import dev, down, env, status, up
from lead_assets.cli.serving import api, tokens
from lead_assets.cli.state import CAMPAIGNS_VARIABLE, set_variable
from lead_assets.cli.sweeping import sweep
from lead_assets.config.environment import PROJECT
from lead_assets.domain.errors import InvalidInput, LeadAssetsError, RunInterrupted, Unavailable

USERS_MISTAKE, FAILED, INTERRUPTED = 2, 1, 130


class _OneSentence(click.Group):
    """Tells our errors in one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that a person can mend end it with their sentence."""
        try:
            return super().invoke(ctx)
        except LeadAssetsError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(_exit_code(error))
        except BrokenPipeError:
            # The reader of our output (`| head`) has gone: there is nobody to tell, and nothing to flush.
            sys.stdout = None
            ctx.exit(FAILED)
        except OSError as error:
            click.echo(f"Error: {error.strerror or error}; the output could not be written.", err=True)
            sys.stdout = None
            ctx.exit(FAILED)


def _exit_code(error: LeadAssetsError) -> int:
    if isinstance(error, RunInterrupted):
        return INTERRUPTED
    return USERS_MISTAKE if isinstance(error, InvalidInput | Unavailable) else FAILED


@click.group(cls=_OneSentence, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lead_assets")
@click.option(
    "--campaigns-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of campaign files (default: LEAD_ASSETS_CAMPAIGNS, else campaigns/).",
)
def main(campaigns_dir: Path | None) -> None:
    """Find sales leads on Reddit: one campaign file, one command, today's leads with the reason for each."""
    for folder in (Path.cwd(), PROJECT):  # where one stands comes first; what is set already stays
        load_dotenv(folder / ".env")
    if campaigns_dir is not None:
        set_variable(CAMPAIGNS_VARIABLE, str(campaigns_dir.absolute()))


for command in (
    up,
    down,
    status,
    env,
    dev,
    reload,
    run,
    backfill,
    demo,
    leads,
    candidates,
    explain,
    campaigns,
    export,
    evaluate_command,
    sweep,
    api,
    tokens,
):
    main.add_command(command)
