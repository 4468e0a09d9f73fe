"""What a shell offers to complete: ids of campaigns and names of settings. Nothing else of the product is imported."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from lead_assets.cli import load_command, load_env_files
from lead_assets.config.environment import Environment, campaign_paths
from lead_assets.domain.errors import LeadAssetsError
from lead_assets.domain.settings import NAMES


def campaign_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the campaign files in the folder that the command would use; none where it cannot be read."""
    load_env_files(lambda _: None)
    given = ctx.find_root().params.get("campaigns_dir")
    try:
        folder = Path(given) if given else Environment.read().campaigns
        names = sorted({path.stem for path in campaign_paths(folder)})
    except (OSError, LeadAssetsError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def setting_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Settings as ``NAME=``, for the value to follow."""
    wanted = incomplete.upper()
    return [CompletionItem(f"{name}=") for name in NAMES if name.startswith(wanted)]


class StandIn(click.Command):
    """A command while its campaign or a setting is completed: all of Dagster need not be imported for these."""

    def __init__(self, name: str) -> None:
        """``name`` is the command's, whose first argument is a campaign."""
        campaign = click.Argument(["campaign_id"], shell_complete=campaign_ids)
        setting = click.Option(["--set"], multiple=True, shell_complete=setting_names)
        super().__init__(name, params=[campaign, setting])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The options of the command itself."""
        return load_command(self.name or "").shell_complete(ctx, incomplete)
