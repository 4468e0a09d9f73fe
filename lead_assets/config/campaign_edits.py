"""Changes of campaign files: comments, order and quotes are kept, and the result is validated before it replaces.

The file is edited as text that ruamel.yaml keeps together, and then read as every campaign file is: only if that gives
exactly the old content with the change is it put in place.
"""

import io
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent

from lead_assets.config.campaign_files import find_path, read_campaign, read_campaign_text
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import CampaignInvalid
from lead_assets.domain.reddit_names import bare_name
from lead_assets.files import write_whole

_WIDE = 10**6


@dataclass(frozen=True)
class Additions:
    """Entries that the lists of a campaign do not have yet."""

    negative_keywords: list[str]
    exclude_subreddits: list[str]
    exclude_authors: list[str]


def edit_campaign(
    folder: Path,
    campaign_id: str,
    *,
    settings: Mapping[str, Any] | None = None,
    negative_keywords: Sequence[str] = (),
    exclude_subreddits: Sequence[str] = (),
    exclude_authors: Sequence[str] = (),
) -> Campaign:
    """Write settings into a campaign's file and add to its lists; returns the campaign as it is now.

    Raises:
        CampaignUnknown: there is none.
        CampaignInvalid: the result would not be valid, or the file cannot be written; it stays as it was.
    """
    path = find_path(folder, campaign_id)
    before = read_campaign(path)  # told as ever where it is broken already
    new = Additions(
        negative_keywords=_new([keyword.strip() for keyword in negative_keywords], before.negative_keywords),
        exclude_subreddits=_new(map(bare_name, exclude_subreddits), before.subreddits.exclude),
        exclude_authors=_new(map(bare_name, exclude_authors), before.exclude_authors),
    )
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    edited = _edited(path, text, settings or {}, new)
    after = read_campaign_text(path, edited)
    if after.model_dump() != _expected(before, settings or {}, new):
        raise CampaignInvalid(f"{path} is written in a way that cannot be changed safely. Edit it by hand.")
    try:
        write_whole(path, edited, mode=stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise CampaignInvalid(
            f"{path} cannot be written ({error.strerror}). Make the folder writable for this process, or edit the file "
            "where it is kept."
        ) from None
    return after


def _new(values: Iterable[str], there: Sequence[str]) -> list[str]:
    """What is not in a list yet, each once."""
    known, new = {each.casefold() for each in there}, list[str]()
    for value in values:
        if value.casefold() not in known:
            known.add(value.casefold())
            new.append(value)
    return new


def _edited(path: Path, text: str, settings: Mapping[str, Any], new: Additions) -> str:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    line_end = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    try:
        _, indent, offset = load_yaml_guess_indent(text)
        sequence = indent or 2
        yaml.indent(mapping=2, sequence=max(sequence, (offset or 0) + 2), offset=offset or 0)
        content = yaml.load(text)
        _add(content, "negative_keywords", new.negative_keywords)
        _add(content, "exclude_authors", new.exclude_authors)
        if new.exclude_subreddits:
            _add(_mapping(content, "subreddits"), "exclude", new.exclude_subreddits)
        if settings:
            _mapping(content, "settings").update(settings)
        out = io.StringIO()
        yaml.dump(content, out)
        return out.getvalue().replace("\n", line_end)
    except (YAMLError, ValueError, TypeError, AttributeError) as error:
        problem = " ".join(str(error).split())[:200]
        raise CampaignInvalid(f"{path} cannot be changed ({problem}). Edit it by hand.") from None


def _mapping(content: Any, key: str) -> Any:
    if content.get(key) is None:
        content[key] = CommentedMap()
    return content[key]


def _add(content: Any, key: str, values: Sequence[str]) -> None:
    if not values:
        return
    if content.get(key) is None:
        content[key] = CommentedSeq()
        content[key].fa.set_flow_style()
    content[key].extend(values)


def _expected(before: Campaign, settings: Mapping[str, Any], new: Additions) -> dict[str, Any]:
    content = before.model_dump()
    content["negative_keywords"] += new.negative_keywords
    content["exclude_authors"] += new.exclude_authors
    content["subreddits"]["exclude"] += new.exclude_subreddits
    content["settings"] |= settings
    return content
