"""Files named ``.env``: read only where nobody else can have written them, and only for names that we know."""

import os
import stat
from collections.abc import Callable, Collection, Mapping, MutableMapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from lead_assets.config.addresses import VARIABLES as OPENAI_VARIABLES
from lead_assets.config.environment import REDDIT_VARIABLES
from lead_assets.domain.settings import NAMES

MAX_BYTES = 2**20
RECEIVERS = "NOTIFY_"
KNOWN = frozenset(
    {
        "LEAD_ASSETS_HOME",
        "LEAD_ASSETS_CAMPAIGNS",
        "REJECTION_LOG_DIR",
        "DATABASE_URL",
        "TYPESENSE_URL",
        "TYPESENSE_API_KEY",
        "ARCTIC_SHIFT_URL",
        "DAGSTER_URL",
        "PAGE_URL",
        "LEAD_ASSETS_EXECUTOR",
        "CELERY_BROKER_URL",
        "CELERY_VISIBILITY_SECONDS",
        *REDDIT_VARIABLES,
        *OPENAI_VARIABLES,
        *NAMES,
    }
)
"""What a file may set. Anything else, ``LD_PRELOAD`` or a proxy, would reach programs that we start."""


def _is_known(name: str) -> bool:
    """Also what campaign files name as receivers of alerts, and their secrets."""
    return name in KNOWN or name.startswith(RECEIVERS)


def load(folders: Collection[Path], into: MutableMapping[str, str], warn: Callable[[str], object]) -> None:
    """Set what the files in ``folders`` say and ``into`` does not have yet; the first folder counts first."""
    for folder in dict.fromkeys(folders):
        for name, value in _known_in(folder / ".env", warn).items():
            into.setdefault(name, value)


def _known_in(path: Path, warn: Callable[[str], object]) -> Mapping[str, str]:
    try:
        # Looked at after it was opened, so that it is the same file; O_NONBLOCK, as a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(file.fileno())
            if (why := _mistrust(state)) is not None:
                warn(f"{path} is not read, because {why}.")
                return {}
            text = file.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        warn(f"{path} is not read ({error.strerror}).")
        return {}
    values = dotenv_values(stream=StringIO(text), interpolate=False)
    unknown = sorted(name for name in values if not _is_known(name))
    if unknown:
        warn(f"{path}: {', '.join(unknown[:5])[:200]} is not a setting of this program and is ignored.")
    return {name: value for name, value in values.items() if _is_known(name) and value is not None}


def _mistrust(state: os.stat_result) -> str | None:
    """Why a file's content is not the user's own; None where it is."""
    if not stat.S_ISREG(state.st_mode):
        return "it is no regular file"
    if state.st_uid not in (os.getuid(), 0):
        return "it belongs to another user"
    if state.st_mode & stat.S_IWOTH:
        return "everybody may write it. Take that away with chmod o-w"
    return None
