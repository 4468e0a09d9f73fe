"""Files named ``.env``: read only where nobody else can have written them, and only for names that we know."""

import codecs
import difflib
import os
import re
import stat
from collections.abc import Callable, Collection, Mapping, MutableMapping
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from lead_assets.config.addresses import VARIABLES as OPENAI_VARIABLES
from lead_assets.config.environment import REDDIT_VARIABLES
from lead_assets.domain.settings import NAMES

MAX_BYTES = 2**20
MOST_TOLD = 5
"""Lines of a file that is something else."""
RECEIVERS = "NOTIFY_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
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
            content = file.read(MAX_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        warn(f"{path} is not read ({error.strerror}).")
        return {}
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        warn(f"{path} is not read, because it is not UTF-8. Save it as UTF-8.")
        return {}
    values, wrong = dict[str, str](), list[str]()
    for line in parse_stream(StringIO(content.decode("utf-8-sig", errors="replace"))):
        if (why := _fault(line)) is not None:
            wrong.append(f"{path}, line {_number(line)}{why}")
        elif line.key and line.value is not None:
            values[line.key] = line.value
    for told in wrong[:MOST_TOLD]:
        warn(told)
    if len(wrong) > MOST_TOLD:
        warn(f"{path}: {len(wrong) - MOST_TOLD} more lines are ignored.")
    return values


def _number(line: Binding) -> int:
    """Where a line begins: blank ones before it belong to it."""
    text = line.original.string
    return line.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _fault(line: Binding) -> str | None:
    """Why a line is ignored, without its value, which may be a secret; None where it is not, or says nothing."""
    if not line.error and line.key is None:
        return None
    if line.error or line.value is None or not _NAME.fullmatch(line.key or ""):
        return ", is ignored. Write NAME=value there, and close quotes that are open."
    name = line.key or ""
    if not _is_known(name):
        close = difflib.get_close_matches(name.upper(), KNOWN, n=1, cutoff=0.8)
        hint = f"did you mean {close[0]}?" if close else "it is ignored."
        return f": {name[:80]} is not a setting of this program; {hint}"
    if "\0" in line.value or "\ufffd" in line.value:
        return f": {name[:80]} is ignored, as a character in its value is none of UTF-8 or a NUL. Write it anew."
    return None


def _mistrust(state: os.stat_result) -> str | None:
    """Why a file's content is not the user's own; None where it is."""
    if not stat.S_ISREG(state.st_mode):
        return "it is no regular file"
    if state.st_uid not in (os.getuid(), 0):
        return "it belongs to another user"
    if state.st_mode & stat.S_IWOTH:
        return "everybody may write it. Take that away with chmod o-w"
    return None
