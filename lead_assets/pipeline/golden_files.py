"""Golden files: labelled campaigns as JSON, and their documents, from the archive beside each."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document, merge_repeats
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.evaluation import Golden
from lead_assets.sources.archive import ArchiveSource

MAX_FILE_BYTES = 64 * 2**20
_ARCHIVE_SUFFIXES = (".ndjson.zst", ".ndjson", ".zst")


@dataclass(frozen=True)
class GoldenFile:
    """A labelled campaign, and which of its archive's documents it is evaluated on."""

    path: Path
    golden: Golden
    archive: Path
    documents: list[Document]

    @property
    def matched(self) -> int:
        """How many of the documents have a keyword, as keywords are matched today."""
        return sum(bool(document.matched_keywords) for document in self.documents)

    @property
    def labelled(self) -> list[Document]:
        """The documents that have a label."""
        return [document for document in self.documents if document.reddit_id in self.golden.labels]


def read_golden(path: Path, archive: Path | None, campaign_id: str) -> GoldenFile:
    """The labelled campaign in ``path`` with its documents in ``archive`` (default: the one beside it).

    The documents are exactly those of the golden file's ``crawl``, whether or not a keyword matches them today; where
    it names none, all that match. Each comes once, as campaign ``campaign_id`` has them.

    Raises:
        InvalidInput: a file that is missing or not what it should be, or documents none of which is labelled.
        SourceFailed: the archive cannot be read to its end.
    """
    golden = _parsed(path)
    archive = archive or _beside(path)
    campaign = Campaign(id=campaign_id, name=golden.campaign, product=golden.product, keywords=golden.keywords)
    source = ArchiveSource(archive)
    if golden.crawl:
        documents = [replace(each, matched_keywords=campaign.keywords_in(each)) for each in source.named(golden.crawl)]
    else:
        documents = [each for batch in source.search(campaign) for each in batch.documents]
    if not any(document.reddit_id in golden.labels for document in documents):
        raise InvalidInput(
            f"{archive} holds none of the {len(golden.labels)} labelled documents of {path} that match its keywords. "
            "Give the archive that was labelled with --archive FILE."
        )
    return GoldenFile(path, golden, archive, merge_repeats(documents))


def _parsed(path: Path) -> Golden:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB, so it is not a golden file.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"The golden file {path} cannot be read ({error.strerror}). Give its path.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON ({str(error)[:100]}). Give a golden file.") from None
    if not isinstance(content, dict):
        raise InvalidInput(f"{path} is not a JSON object. A golden file has campaign, product, keywords and labels.")
    try:
        return Golden.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{path}, {where}: {what}. Fix the golden file.") from None


def _beside(path: Path) -> Path:
    for suffix in _ARCHIVE_SUFFIXES:
        if (archive := path.with_name(path.stem + suffix)).is_file():
            return archive
    raise InvalidInput(f"There is no {path.stem}{_ARCHIVE_SUFFIXES[0]} beside {path}. Give it with --archive FILE.")
