"""Campaign files: ``<folder>/<id>.yaml`` read into campaigns, with errors that name the file, the line and the fix."""

import difflib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from lead_assets.config.campaign_errors import line_of, sentence_of
from lead_assets.config.environment import CAMPAIGN_SUFFIXES, campaign_paths
from lead_assets.domain.campaign import CAMPAIGN_ID, Campaign
from lead_assets.domain.errors import CampaignInvalid, CampaignUnknown, LeadAssetsError
from lead_assets.domain.settings import WEIGHTS, Layer, resolve
from lead_assets.files import expanded

MAX_FILE_BYTES = 256 * 1024
MAX_NESTING = 50
"""Lists and mappings in one another: a campaign has three."""
MAX_DIGITS = 100
INTEGER, TEXT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:str"
RESERVED_IDS = frozenset({"registry"})
"""A campaign's sensor is called campaign_<id>, and campaign_registry is another one."""


_known: "dict[Path, tuple[tuple[int, int, int], CampaignFile]]" = {}
"""Files as they were read last, by their state then."""


@dataclass(frozen=True)
class CampaignFile:
    """One file of the folder: its path and either the campaign or why it cannot be read."""

    path: Path
    campaign: Campaign | None
    error: str | None

    @property
    def id(self) -> str:
        """The file's name, which is the campaign's id."""
        return self.path.stem


def list_campaigns(folder: Path) -> list[CampaignFile]:
    """Every campaign file in ``folder``, by name; broken ones with their error.

    Raises:
        CampaignInvalid: the folder cannot be read (which is not the same as an empty one).
    """
    return [_read_anew_if_changed(path) for path in _paths(folder)]


def _paths(folder: Path) -> list[Path]:
    try:
        return campaign_paths(folder)
    except OSError as error:
        raise CampaignInvalid(
            f"The campaign folder {folder} cannot be read ({error.strerror}). Create it or set LEAD_ASSETS_CAMPAIGNS."
        ) from error


def _read_anew_if_changed(path: Path) -> CampaignFile:
    if path.suffix != CAMPAIGN_SUFFIXES[0] and (first := path.with_suffix(CAMPAIGN_SUFFIXES[0])).exists():
        return CampaignFile(path, None, f"{path}: {first.name} is this campaign already. Remove one of the two.")
    # Sensors look at every file every half minute; reading one takes milliseconds, looking at its state microseconds.
    try:
        state = path.stat()
    except OSError:
        return _try_read(path)
    known = _known.get(path)
    if known is None or known[0] != (state.st_mtime_ns, state.st_size, state.st_ino) or known[1].error:
        known = (state.st_mtime_ns, state.st_size, state.st_ino), _try_read(path)
        _known[path] = known
    return known[1]


def _try_read(path: Path) -> CampaignFile:
    try:
        return CampaignFile(path, read_campaign(path), None)
    except LeadAssetsError as error:
        return CampaignFile(path, None, str(error))


def find_campaign(folder: Path, campaign_id: str) -> Campaign:
    """The campaign ``campaign_id`` of ``folder``.

    Raises:
        CampaignUnknown: there is none.
        CampaignInvalid: its file does not validate.
    """
    path = find_path(folder, campaign_id)
    return _read_anew_if_changed(path).campaign or read_campaign(path)


def find_path(folder: Path, campaign_id: str) -> Path:
    """The file of the campaign ``campaign_id``.

    Raises:
        CampaignUnknown: there is none.
    """
    if CAMPAIGN_ID.fullmatch(campaign_id):
        for suffix in CAMPAIGN_SUFFIXES:
            path = folder / f"{campaign_id}{suffix}"
            if path.is_file():
                return path
    ids = [path.stem for path in _paths(folder)]
    close = difflib.get_close_matches(campaign_id, ids, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(ids[:10]) or 'none yet'}."
    raise CampaignUnknown(f"There is no campaign {campaign_id!r} in {folder}; {hint}")


def read_campaign(path: Path) -> Campaign:
    """The campaign in ``path``; a relative archive path becomes absolute, from the file's own folder.

    Raises:
        CampaignInvalid: unreadable, not YAML, or not a valid campaign.
    """
    if not CAMPAIGN_ID.fullmatch(path.stem):
        raise CampaignInvalid(
            f"{path}: a campaign's id is its file's name, of lower-case letters, digits and underscores, "
            f"starting with a letter. Rename {path.name!r}."
        )
    if path.stem in RESERVED_IDS:
        raise CampaignInvalid(f"{path}: the id {path.stem!r} is taken by the program itself. Rename the file.")
    return read_campaign_text(path, _read_text(path))


def read_campaign_text(path: Path, text: str) -> Campaign:
    """The campaign that ``path`` would be if ``text`` were in it.

    Raises:
        CampaignInvalid: it is not YAML, or not a valid campaign.
    """
    node, content = _parse(path, text)
    if not isinstance(content, dict):
        raise CampaignInvalid(
            f"{path}: a campaign is a list of `key: value` lines with at least name, product, keywords."
        )
    if "id" in content:
        raise CampaignInvalid(
            f"{path}, line {line_of(node, ['id'])}: there is no key id. The file's name is the campaign's id."
        )
    try:
        campaign = Campaign.model_validate({**content, "id": path.stem})
    except ValidationError as error:
        raise CampaignInvalid(sentence_of(path, error, node)) from error
    for name, value in campaign.settings.items():
        if name not in WEIGHTS:
            resolve([Layer(f"{path}, line {line_of(node, ['settings', name])}", {name: value})])
    resolve([Layer(str(path), campaign.settings)])
    return _with_absolute_archive(campaign, path.parent)


def _read_text(path: Path) -> str:
    try:
        state = path.stat()
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):  # a FIFO would be waited for for ever
            raise CampaignInvalid(f"{path} is no regular file. Remove it.")
        if state.st_size > MAX_FILE_BYTES:
            raise CampaignInvalid(f"{path} is larger than {MAX_FILE_BYTES // 1024} kB, so it is not a campaign file.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CampaignInvalid(
            f"{path} cannot be read ({error.strerror}). Check that it exists and its mode."
        ) from error
    except UnicodeDecodeError as error:
        raise CampaignInvalid(f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8.") from error


def _parse(path: Path, text: str) -> tuple[Node | None, object]:
    """The document's nodes, which know their lines, and what they say.

    A key written twice is an error, not the last one's silent win.
    """
    try:
        parser = YAML(typ="safe", pure=True)  # libyaml's dies of deep nesting
        parser.max_depth = MAX_NESTING
        node = parser.compose(text)
        _refuse_odd_nodes(path, node)
        return node, parser.load(text) if node is not None else None
    # The parser lets these through where a tag such as !!bool stands before a value that does not fit.
    except (YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        if isinstance(error, MaxDepthExceededError):
            problem = f"lists or mappings in one another, more than {MAX_NESTING} deep"
        raise CampaignInvalid(f"{where}: not valid YAML ({problem}). Check quotes and indentation there.") from error


def _refuse_odd_nodes(path: Path, node: Node | None) -> None:
    """Refuse keys that are no words or come twice, and merge keys, which a few lines can make grow without bounds.

    Numbers that are too long to be read are refused too.
    """
    waiting, met = [node], set[int]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ScalarNode) and node.tag == INTEGER and len(node.value) > MAX_DIGITS:
            line = node.start_mark.line + 1
            raise CampaignInvalid(f"{path}, line {line}: a number has more than {MAX_DIGITS} digits. Shorten it.")
        if id(node) in met or not isinstance(node, CollectionNode):
            continue
        met.add(id(node))
        if not isinstance(node, MappingNode):
            waiting += node.value
            continue
        seen: set[str] = set()
        for key, value in node.value:
            line = f"{path}, line {key.start_mark.line + 1}"
            if key.tag == "tag:yaml.org,2002:merge":
                raise CampaignInvalid(f"{line}: a campaign has no use for merge keys (<<). Write the keys out.")
            if not isinstance(key, ScalarNode):
                raise CampaignInvalid(
                    f"{line}: not valid YAML (a key is one word). Check quotes and indentation there."
                )
            if key.tag != TEXT:
                raise CampaignInvalid(
                    f"{line}: the key {key.value[:40]} is not text. Write keys as docs/campaigns.md names them."
                )
            if key.value in seen:
                raise CampaignInvalid(f"{line}: {key.value} is written twice. Keep one.")
            seen.add(key.value)
            waiting.append(value)


def _with_absolute_archive(campaign: Campaign, folder: Path) -> Campaign:
    if campaign.archive is None:
        return campaign
    path = os.path.abspath(folder / expanded(campaign.archive.path))  # noqa: PTH100  keeps symbolic links
    return campaign.model_copy(update={"archive": campaign.archive.model_copy(update={"path": path})})
