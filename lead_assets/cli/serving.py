"""``api`` and ``tokens``: the HTTP API, and who may use it."""

import logging
import re

import click
from rich.table import Table

from lead_assets.api.tokens import hash_token, new_token
from lead_assets.cli import dev_server
from lead_assets.cli.page_beside import end_with
from lead_assets.cli.ports import require_free_port
from lead_assets.cli.state import console, echo_json, errors, json_option, opened_database
from lead_assets.config.environment import Environment
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.own_pages import is_loopback
from lead_assets.storage.api_tokens import StoredToken, add_token, read_tokens, revoke_token

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}")
_name_argument = click.argument("name", metavar="NAME")


class WithoutQuery(logging.Filter):
    """Cuts the query off addresses in the log of requests: somebody may have written a token there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, with a shorter address."""
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a token.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--beside", type=int, hidden=True, help="End with the process of this id, which started this one.")
def api(host: str, port: int, beside: int | None) -> None:
    """Serve the inbox page and the HTTP API. Runs are started through Dagster, which `lead-assets dev` serves."""
    # Imported here: the framework takes a good part of a second, and other commands do without.
    import uvicorn

    from lead_assets.web.site import build_site

    beyond = not is_loopback(host)
    tokens = _tokens()
    if beyond and not any(token.revoked_at is None for token in tokens):
        raise InvalidInput(
            f"Other machines reach {host}, and there is no token. Make one with `lead-assets tokens new NAME`, or "
            "listen on 127.0.0.1."
        )
    require_free_port(host, port)
    needed = "with a token" if tokens else "without a token, for this machine only"
    errors.print(f"The page and the API are on http://{_shown(host)}:{port}, {needed}.", soft_wrap=True)
    logging.getLogger("uvicorn.access").addFilter(WithoutQuery())
    if beside is not None:
        end_with(beside)
    environment = Environment.read()
    dev_server.use(environment.home)
    uvicorn.run(
        build_site(environment, beyond_loopback=beyond),
        host=host,
        port=port,
        log_level="info" if beside is None else "warning",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _tokens() -> list[StoredToken]:
    with opened_database() as database, database.connect() as connection:
        return read_tokens(connection)


@click.group()
def tokens() -> None:
    """Make, list and revoke tokens of the HTTP API."""


@tokens.command("new")
@_name_argument
@click.option(
    "--kind",
    type=click.Choice(["work", "read"]),
    default="work",
    show_default=True,
    help="Whether it may change something: work on leads, start runs, write to campaign files.",
)
def new(name: str, kind: str) -> None:
    """Make a token and print it, once: only its hash is stored. It also signs in to the page."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not a valid name for a token. Write up to 63 letters, digits, and any of _ . @ -"
        )
    token = new_token()
    with opened_database() as database, database.engine.begin() as connection:
        if not add_token(connection, name, hash_token(token.encode()), kind):
            raise InvalidInput(f"There is or was a token {name}. Choose another name.")
    click.echo(token)
    errors.print("This is shown once. Every request needs a token now: Authorization: Bearer …", soft_wrap=True)


@tokens.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List the tokens, by name; their hashes stay where they are."""
    found = _tokens()
    if as_json:
        echo_json(
            [
                {"name": one.name, "kind": one.kind, "created_at": one.created_at, "revoked_at": one.revoked_at}
                for one in found
            ]
        )
        return
    table = Table(title="Tokens of the HTTP API", title_justify="left")
    for column in ("name", "kind", "made", "revoked"):
        table.add_column(column)
    for one in found:
        revoked = f"{one.revoked_at:%Y-%m-%d %H:%M}" if one.revoked_at else "–"
        table.add_row(one.name, one.kind, f"{one.created_at:%Y-%m-%d %H:%M}", revoked)
    console.print(table)


@tokens.command("revoke")
@_name_argument
def revoke(name: str) -> None:
    """Revoke a token; it counts from the next request on."""
    with opened_database() as database:
        with database.engine.begin() as connection:
            if not revoke_token(connection, name):
                raise InvalidInput(f"There is no token {name} to revoke. `lead-assets tokens list` shows them.")
        with database.connect() as connection:
            left = sum(token.revoked_at is None for token in read_tokens(connection))
    console.print(f"Revoked {name}.")
    if not left:
        console.print("No token is left: the API refuses every request until you make one.")
