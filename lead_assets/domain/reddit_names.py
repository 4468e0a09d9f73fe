"""Names of subreddits and authors, however they are written."""

import re

_PREFIX = re.compile(r"^(?:(?:https?://)?(?:[a-z]+\.)?reddit\.com/|/)?(?:r|u|user)/", re.IGNORECASE)


def bare_name(name: str) -> str:
    """``name`` without what people write around it: ``r/``, ``u/``, an address of Reddit, a slash at the end."""
    name = name.strip()
    return _PREFIX.sub("", name, count=1).removesuffix("/") if "/" in name else name
