"""Typesense: one collection behind an alias, documents keyed by campaign and fullname.

The schema is here and nowhere else. A collection is named after its schema, so that a changed schema is a new
collection, which is filled before the alias moves to it.
"""

import contextlib
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import typesense
from typesense.exceptions import ObjectAlreadyExists, ObjectNotFound, RequestUnauthorized, TypesenseClientError
from typesense.http_backend import backend_errors

from lead_assets.domain.errors import SearchUnavailable
from lead_assets.tls import trust_for

ALIAS = "lead_documents"
MIN_VERSION = (0, 24)
IMPORT_BATCH = 1_000
IDS_PER_SEARCH = 250
"""Typesense answers at most 250 documents a page."""
SEARCHES_PER_REQUEST = 50
"""Typesense takes at most 50 searches in one ``multi_search`` unless told otherwise."""
FIELDS: tuple[dict[str, Any], ...] = (
    # Typesense drops punctuation from what it indexes, so that a_b and ab would be one campaign: a hash is not.
    {"name": "campaign_key", "type": "string"},
    {"name": "campaign_id", "type": "string", "index": False, "optional": True},
    {"name": "reddit_id", "type": "string"},
    {"name": "title", "type": "string"},
    {"name": "body", "type": "string"},
    {"name": "text_hash", "type": "string", "index": False, "optional": True},
)
_TEXTS = ("title", "body")
TEXTS_REVISION = "1"
"""To be raised when the same texts would be indexed otherwise: an index of other texts is another collection."""

_ERRORS = (TypesenseClientError, *backend_errors("HTTPError"), *backend_errors("InvalidURL"))
P = ParamSpec("P")
T = TypeVar("T")


def _translated(method: Callable[P, T]) -> Callable[P, T]:
    """Errors of the client become one sentence that says where and what to do."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        index: Any = args[0]
        try:
            return method(*args, **kwargs)
        except RequestUnauthorized:
            raise SearchUnavailable(
                f"Typesense at {index.url} refuses the key. Check TYPESENSE_API_KEY, or run `lead-assets up`."
            ) from None
        except _ERRORS as error:
            raise SearchUnavailable(
                f"Typesense at {index.url} failed ({type(error).__name__}: {str(error)[:200]}). "
                "Start it with `lead-assets up`, or check TYPESENSE_URL."
            ) from None
        except ValueError as error:
            raise SearchUnavailable(
                f"What answers at {index.url} does not answer like Typesense ({str(error)[:100]}). Check TYPESENSE_URL."
            ) from None

    return call


class SearchIndex:
    """The Typesense collection of all campaigns."""

    def __init__(self, url: str, api_key: str, *, alias: str = ALIAS, timeout_seconds: float = 30) -> None:
        """Take ``url`` and ``api_key``; nothing is connected yet.

        Raises:
            SearchUnavailable: ``url`` is no URL.
        """
        self.url = url
        self.alias = alias
        try:
            self._client = typesense.Client(
                {
                    "nodes": [_with_port(url)],
                    "api_key": api_key,
                    "connection_timeout_seconds": timeout_seconds,
                    "num_retries": 2,
                    "retry_interval_seconds": 0.5,
                    "verify": trust_for(url),
                }
            )
        except TypesenseClientError as error:
            raise SearchUnavailable(f"TYPESENSE_URL is not a valid URL ({error}). Write http://host:port.") from None

    def close(self) -> None:
        """Close all connections."""
        self._client.api_call.close()

    @property
    def wanted_collection(self) -> str:
        """The collection's name: the alias and a hash of the schema and of how texts are indexed."""
        return f"{self.alias}_{hashlib.sha256(json.dumps([FIELDS, TEXTS_REVISION]).encode()).hexdigest()[:8]}"

    @_translated
    def check(self) -> str:
        """Make sure that the server answers, takes our key, and is recent enough; returns its version.

        Raises:
            SearchUnavailable: it is not so.
        """
        answer = self._client.debug.retrieve()
        version = str(answer.get("version", "")) if isinstance(answer, dict) else ""
        numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
        if not numbers:
            raise SearchUnavailable(
                f"What answers at {self.url} does not say Typesense's version. Check TYPESENSE_URL."
            )
        if numbers < MIN_VERSION:
            needed = ".".join(map(str, MIN_VERSION))
            raise SearchUnavailable(
                f"Typesense at {self.url} is version {version}; version {needed} or newer is needed."
            )
        return version

    @_translated
    def current_collection(self) -> str | None:
        """The collection behind the alias; None where there is none (a new or wiped server)."""
        try:
            name = str(self._client.aliases[self.alias].retrieve()["collection_name"])
            self._client.collections[name].retrieve()
        except ObjectNotFound:
            return None
        return name

    @_translated
    def create_collection(self) -> str:
        """Create the wanted collection if it is not there; the alias stays where it is."""
        with contextlib.suppress(ObjectAlreadyExists):
            self._client.collections.create({"name": self.wanted_collection, "fields": list(FIELDS)})  # type: ignore[arg-type]
        return self.wanted_collection

    @_translated
    def point_alias(self, collection: str) -> None:
        """Let the alias name ``collection``, and drop the one that it named before."""
        before = self.current_collection()
        self._client.aliases.upsert(self.alias, {"collection_name": collection})
        if before not in (None, collection):
            self._client.collections[str(before)].delete()

    def ensure(self) -> str:
        """The collection to read and write, created where there is none.

        Raises:
            SearchUnavailable: the server cannot be used, or holds an older schema that ``lead-assets up`` has to move.
        """
        self.check()
        current = self.current_collection()
        if current is None:
            current = self.create_collection()
            self.point_alias(current)
        if current != self.wanted_collection:
            raise SearchUnavailable(
                f"Typesense at {self.url} holds the index of another version ({current}). Run `lead-assets up`."
            )
        return current

    @_translated
    def held(self, campaign_id: str, collection: str | None = None) -> dict[str, str]:
        """Fullname to text hash of what the index holds of a campaign; empty where there is no index."""
        name = collection or self.current_collection()
        if name is None:
            return {}
        lines = self._client.collections[name].documents.export(
            {"filter_by": f"campaign_key:={_campaign_key(campaign_id)}", "include_fields": "reddit_id,text_hash"}
        )
        entries = (json.loads(line) for line in lines.splitlines() if line.strip())
        return {entry["reddit_id"]: entry.get("text_hash", "") for entry in entries}

    @_translated
    def upsert(self, collection: str, campaign_id: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
        """Index ``rows`` (``reddit_id, title, body, text_hash``), 1,000 a request.

        Returns what the server refused, a sentence each: it answers 200 and says so per document.
        """
        refused: list[str] = []
        key = _campaign_key(campaign_id)
        for start in range(0, len(rows), IMPORT_BATCH):
            batch: list[dict[str, Any]] = [
                {
                    "id": _id(campaign_id, row["reddit_id"]),
                    "campaign_id": campaign_id,
                    "campaign_key": key,
                    **{name: _as_words(value) if name in _TEXTS else value for name, value in row.items()},
                }
                for row in rows[start : start + IMPORT_BATCH]
            ]
            results = self._client.collections[collection].documents.import_(batch, {"action": "upsert"})  # type: ignore[call-overload]
            if len(results) != len(batch):
                raise SearchUnavailable(
                    f"Typesense at {self.url} answered for {len(results)} of {len(batch)} documents. Run again."
                )
            refused += [
                f"{document['reddit_id']}: {result.get('error', 'no reason given')}"
                for document, result in zip(batch, results, strict=True)
                if result.get("success") is not True
            ]
        return refused

    @_translated
    def delete(self, collection: str, campaign_id: str, reddit_ids: Sequence[str]) -> None:
        """Remove documents from the index."""
        for start in range(0, len(reddit_ids), IDS_PER_SEARCH):
            # A deletion has its filter in its address, of which proxies take some thousand characters: ids, with the
            # campaign's in each, would be 20,000. Fullnames were matched against a pattern: nothing to escape.
            of_ids = f"reddit_id:=[{','.join(reddit_ids[start : start + IDS_PER_SEARCH])}]"
            of_batch = f"campaign_key:={_campaign_key(campaign_id)} && {of_ids}"
            self._client.collections[collection].documents.delete({"filter_by": of_batch})

    @_translated
    def delete_campaign(self, campaign_id: str) -> None:
        """Remove all documents of a campaign from the index, if there is one."""
        collection = self.current_collection()
        if collection is not None:
            of_campaign = f"campaign_key:={_campaign_key(campaign_id)}"
            self._client.collections[collection].documents.delete({"filter_by": of_campaign})

    @_translated
    def text_match(self, campaign_id: str, reddit_ids: Sequence[str], keywords: Sequence[str]) -> list[list[float]]:
        """Typesense's ``text_match`` of each document, a row, for each keyword; 0 for no match.

        One search per keyword and 250 documents, several in a request; no typos and no prefixes. A document's value
        does not depend on which other documents share its request.
        """
        matches = [[0.0] * len(keywords) for _ in reddit_ids]
        row_of = {reddit_id: row for row, reddit_id in enumerate(reddit_ids)}
        searches = [
            (column, self._search(campaign_id, reddit_ids[start : start + IDS_PER_SEARCH], keyword))
            for start in range(0, len(reddit_ids), IDS_PER_SEARCH)
            for column, keyword in enumerate(keywords)
        ]
        for start in range(0, len(searches), SEARCHES_PER_REQUEST):
            batch = searches[start : start + SEARCHES_PER_REQUEST]
            answer = self._client.multi_search.perform({"searches": [search for _, search in batch]}, {})  # type: ignore[typeddict-item]
            for (column, _), result in zip(batch, answer["results"], strict=True):
                if "hits" not in result:
                    raise SearchUnavailable(f"Typesense at {self.url} failed a search: {result.get('error')}.")
                for hit in result["hits"]:
                    matches[row_of[hit["document"]["reddit_id"]]][column] = float(hit["text_match"])
        return matches

    def _search(self, campaign_id: str, reddit_ids: Sequence[str], keyword: str) -> dict[str, Any]:
        return {
            "collection": self.alias,
            "q": keyword,
            "query_by": "title,body",
            # By id, which is looked up: any other filter goes through all documents of the campaign at each search.
            "filter_by": f"id:=[{','.join(_id(campaign_id, reddit_id) for reddit_id in reddit_ids)}]",
            "include_fields": "reddit_id",
            "highlight_fields": "none",
            "per_page": IDS_PER_SEARCH,
            "num_typos": 0,
            "prefix": False,
            # A document that has some of a keyword's words is worth something ("client" for "track clients"), so words
            # are dropped until more are found than there can be: then every document gets its own best match,
            # whichever others share its request. Splitting and joining words would make it depend on them again.
            "drop_tokens_threshold": 100 * IDS_PER_SEARCH,
            "split_join_tokens": "off",
        }


def _as_words(text: str) -> str:
    """``text`` with spaces for the symbols that Typesense would read as letters: CRM™ is the word CRM, not CRMTM."""
    if text.isascii():
        return text
    return "".join(" " if _is_sign_of_letters(each) else each for each in text)


def _is_sign_of_letters(character: str) -> bool:
    if character.isascii() or unicodedata.category(character) != "So":
        return False
    return any(each.isalpha() for each in unicodedata.normalize("NFKD", character))


def _id(campaign_id: str, reddit_id: str) -> str:
    # Both have been matched against patterns of letters, digits and underscores: there is nothing to escape in filters.
    return f"{campaign_id}:{reddit_id}"


def _campaign_key(campaign_id: str) -> str:
    return hashlib.sha256(campaign_id.encode()).hexdigest()[:16]


def _with_port(url: str) -> str:
    """The client insists on a port."""
    if re.fullmatch(r"https?://[^/:]+/?", url):
        return url.rstrip("/") + (":443" if url.startswith("https") else ":8108")
    return url
