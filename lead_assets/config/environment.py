"""What the environment says: the one place that reads it. What is read is handed on, not fetched again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lead_assets.config.addresses import VARIABLES as OPENAI_VARIABLES
from lead_assets.config.addresses import Address, Purpose, address_in
from lead_assets.domain.errors import DatabaseUnavailable, SearchUnavailable, SettingInvalid, SourceNotFound
from lead_assets.domain.settings import NAMES
from lead_assets.files import expanded
from lead_assets.servers.state import is_running, read_servers

REDDIT_VARIABLES = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT", "REDDIT_URL")
ARCTIC_SHIFT_URL = "https://arctic-shift.photon-reddit.com"
CAMPAIGN_SUFFIXES = (".yaml", ".yml")
"""Of campaign files; the first counts where both are there."""
PAGE_URL = "http://127.0.0.1:8000"
DAGSTER_URL = "http://127.0.0.1:3000"
BROKER_URL = "redis://127.0.0.1:6379/0"
EXECUTORS = ("in_process", "celery")
VISIBILITY_SECONDS = 6 * 3600
_CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = _CHECKOUT if (_CHECKOUT / "dagster.yaml").is_file() else Path.cwd()
"""The checkout that the package runs from. An installed package has none: its state lives in the current folder."""


def campaign_paths(folder: Path) -> list[Path]:
    """The campaign files in ``folder``, by name; hidden ones are none.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(path for path in folder.iterdir() if path.suffix in CAMPAIGN_SUFFIXES and path.name[0] != ".")


@dataclass(frozen=True)
class RedditCredentials:
    """What Reddit knows us by. ``url`` is another server that answers like Reddit; None is Reddit itself."""

    client_id: str
    client_secret: str
    user_agent: str
    url: str | None = None

    def __repr__(self) -> str:
        """Without the secret, whatever prints it."""
        return f"RedditCredentials(user_agent={self.user_agent!r}, url={self.url!r})"


@dataclass(frozen=True)
class Environment:
    """The environment, with its defaults. Folders are absolute."""

    project: Path
    home: Path
    campaigns: Path
    rejection_logs: Path
    settings: Mapping[str, str]
    _database_url: str | None = field(repr=False)
    _typesense_url: str | None
    _typesense_api_key: str | None = field(repr=False)
    _reddit: Mapping[str, str] = field(repr=False)
    arctic_shift_url: str
    dagster_url: str
    page_url: str
    _openai: Mapping[str, str] = field(repr=False)
    _executor: str
    broker_url: str = field(repr=False)
    _visibility_seconds: str

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> "Environment":
        """The environment now. ``variables`` replaces the process's own.

        Raises:
            SettingInvalid: a folder is in the home folder of a user that there is not.
        """
        given = {name: value for name, value in (os.environ if variables is None else variables).items() if value}
        home = _folder(given, "LEAD_ASSETS_HOME", PROJECT / ".lead_assets")
        return cls(
            project=PROJECT,
            home=home,
            campaigns=_folder(given, "LEAD_ASSETS_CAMPAIGNS", PROJECT / "campaigns"),
            rejection_logs=_folder(given, "REJECTION_LOG_DIR", home / "rejections"),
            settings={name: given[name] for name in NAMES if name in given},
            _database_url=given.get("DATABASE_URL"),
            _typesense_url=given.get("TYPESENSE_URL"),
            _typesense_api_key=given.get("TYPESENSE_API_KEY"),
            _reddit={name: given[name] for name in REDDIT_VARIABLES if name in given},
            arctic_shift_url=given.get("ARCTIC_SHIFT_URL", ARCTIC_SHIFT_URL),
            dagster_url=given.get("DAGSTER_URL", DAGSTER_URL),
            page_url=given.get("PAGE_URL", PAGE_URL).rstrip("/"),
            _openai={name: given[name] for name in OPENAI_VARIABLES if name in given},
            _executor=given.get("LEAD_ASSETS_EXECUTOR", EXECUTORS[0]),
            broker_url=given.get("CELERY_BROKER_URL", BROKER_URL),
            _visibility_seconds=given.get("CELERY_VISIBILITY_SECONDS", str(VISIBILITY_SECONDS)),
        )

    @property
    def own_database(self) -> bool:
        """Whether the user gave a PostgreSQL, so that none has to be started."""
        return self._database_url is not None

    @property
    def own_typesense(self) -> bool:
        """Whether the user gave a Typesense, so that none has to be started."""
        return self._typesense_url is not None

    @property
    def database_url(self) -> str:
        """The user's database, else the embedded one.

        Raises:
            DatabaseUnavailable: there is neither.
        """
        url = self._database_url or ((servers := read_servers(self.home)) and servers.database_url)
        if not url:
            raise DatabaseUnavailable("No PostgreSQL is known. Run `lead-assets up`, or set DATABASE_URL.")
        return url

    @property
    def typesense(self) -> tuple[str, str]:
        """Address and key of the user's Typesense, else of the embedded one.

        Raises:
            SearchUnavailable: there is neither, or the user's has no key.
        """
        if self._typesense_url:
            if not self._typesense_api_key:
                raise SearchUnavailable("TYPESENSE_URL is set, but TYPESENSE_API_KEY is not. Set both or neither.")
            return self._typesense_url, self._typesense_api_key
        servers = read_servers(self.home)
        if not servers or not servers.typesense_url:
            raise SearchUnavailable(
                "No Typesense is known. Run `lead-assets up`, or set TYPESENSE_URL and TYPESENSE_API_KEY."
            )
        if not is_running(self.home, "typesense"):
            # Whoever listens on its port now would be sent the key.
            raise SearchUnavailable("The embedded Typesense is not running. Run `lead-assets up`.")
        return servers.typesense_url, servers.typesense_api_key

    @property
    def has_reddit(self) -> bool:
        """Whether somebody has set credentials of Reddit, be it not all of them."""
        return any(name in self._reddit for name in REDDIT_VARIABLES[:3])

    @property
    def reddit(self) -> RedditCredentials:
        """What Reddit knows us by.

        Raises:
            SourceNotFound: a variable is not set.
        """
        missing = [name for name in REDDIT_VARIABLES[:3] if name not in self._reddit]
        if missing:
            raise SourceNotFound(
                f"Source reddit needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not set. "
                "Make an app of type script at https://www.reddit.com/prefs/apps and set them in .env, or crawl "
                "without credentials with --source arctic_shift."
            )
        client_id, secret, user_agent = (self._reddit[name] for name in REDDIT_VARIABLES[:3])
        return RedditCredentials(client_id, secret, user_agent, self._reddit.get("REDDIT_URL"))

    def endpoint(self, purpose: Purpose, kind: str, kind_setting: str) -> Address | None:
        """The OpenAI-compatible endpoint for ``purpose`` where ``kind`` is openai, or auto and one is known.

        Raises:
            SettingInvalid: ``kind`` is openai and none is known, or what is set cannot be right.
        """
        if kind not in ("auto", "openai"):
            return None
        address = address_in(self._openai, purpose)
        if address is None and kind == "openai":
            raise SettingInvalid(
                f"{kind_setting} is openai, but no endpoint is known. Set OPENAI_API_KEY, or OPENAI_BASE_URL for a "
                "server of your own."
            )
        return address

    @property
    def executor(self) -> str:
        """Where the steps of runs are executed that Dagster starts: ``in_process`` or ``celery``.

        Raises:
            SettingInvalid: it is neither.
        """
        if self._executor not in EXECUTORS:
            raise SettingInvalid(
                f"environment: LEAD_ASSETS_EXECUTOR is {self._executor!r}. Write {' or '.join(EXECUTORS)}."
            )
        return self._executor

    @property
    def visibility_seconds(self) -> int:
        """After how many seconds the broker gives a task to another worker that no worker has said the end of.

        Raises:
            SettingInvalid: it is not a whole number above 0.
        """
        if not (self._visibility_seconds.isdecimal() and int(self._visibility_seconds) > 0):
            raise SettingInvalid(
                f"environment: CELERY_VISIBILITY_SECONDS is {self._visibility_seconds!r}. Write a whole number of "
                "seconds, more than the longest step takes."
            )
        return int(self._visibility_seconds)

    def exports(self) -> dict[str, str]:
        """The variables that make any program, Dagster's own commands among them, work on the same state."""
        url, key = self.typesense
        return {
            "DAGSTER_HOME": str(self.project),
            "LEAD_ASSETS_HOME": str(self.home),
            "LEAD_ASSETS_CAMPAIGNS": str(self.campaigns),
            "DATABASE_URL": self.database_url,
            "TYPESENSE_URL": url,
            "TYPESENSE_API_KEY": key,
        }


def _folder(given: Mapping[str, str], name: str, default: Path) -> Path:
    if name not in given:
        return default
    folder = expanded(given[name])
    if folder.parts[:1] and folder.parts[0].startswith("~"):  # it would be made in the current folder
        raise SettingInvalid(
            f"environment: {name} is {given[name]!r}, but there is no home folder {folder.parts[0]}. "
            "Write the folder's whole path."
        )
    return folder.absolute()
