"""``mcp``: leads for an assistant, over the Model Context Protocol on standard input and output."""

import click

from lead_assets.cli import dev_server
from lead_assets.cli.state import opened_database
from lead_assets.config.environment import Environment


@click.command()
@click.option("--allow-write", is_flag=True, help="Let the assistant set statuses, mark, and start runs.")
def mcp(allow_write: bool) -> None:
    """Serve leads to an assistant over MCP on standard input and output. It only reads, unless it may write."""
    with opened_database():
        pass  # told before the assistant waits for an answer
    from lead_assets.assistant import build_server

    environment = Environment.read()
    dev_server.use(environment.home)
    build_server(environment, allow_write=allow_write).run("stdio")
