"""The archive source: what is handed on, what is counted, and what is told when a file ends too soon."""

import json
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.domain.errors import SourceFailed, SourceNotFound
from lead_assets.domain.frames import to_frame
from lead_assets.sources.archive import MAX_LINE_BYTES, ArchiveSource
from lead_assets.sources.base import MAX_EXAMPLES, SourceCounts

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden"


def campaign(**changed: Any) -> Campaign:
    return Campaign.model_validate(
        {"id": "crm", "name": "CRM", "product": "A CRM.", "keywords": ["crm", "track clients"]} | changed
    )


def post(number: int | str, title: str = "Which CRM?", **other: Any) -> dict[str, Any]:
    return {"id": f"p{number}", "title": title, "selftext": "", "subreddit": "sales", "author": "ada"} | other


def comment(number: int | str, body: str = "Which CRM?", **other: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "body": body, "link_id": "t3_p", "subreddit": "sales", "author": "ada"} | other


def lines_of(things: Iterable[dict[str, Any] | bytes]) -> bytes:
    return b"".join((thing if isinstance(thing, bytes) else json.dumps(thing).encode()) + b"\n" for thing in things)


def frame_of(content: bytes) -> bytes:
    """One Zstandard frame with a checksum, so that no damage is taken for content."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


@dataclass
class Crawled:
    """What a crawl handed on, what it counted, and the error that ended it, if one did."""

    documents: list[Document] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    counts: SourceCounts = field(default_factory=SourceCounts)
    failure: SourceFailed | None = None

    @property
    def ids(self) -> list[str]:
        return [document.reddit_id for document in self.documents]


@pytest.fixture
def crawl(tmp_path: Path) -> Callable[..., Crawled]:
    """Crawl a file of the given bytes or things to its end, whatever that is."""

    def crawl_all(archived: bytes | list[Any], /, batch_documents: int = 1_000, **changed: Any) -> Crawled:
        path = tmp_path / "archive"
        path.write_bytes(archived if isinstance(archived, bytes) else lines_of(archived))
        source = ArchiveSource(path, batch_documents)
        crawled = Crawled(counts=source.counts)
        try:
            for batch in source.search(campaign(**changed)):
                crawled.documents += batch.documents
                crawled.batches.append(len(batch.documents))
        except SourceFailed as error:
            crawled.failure = error
        return crawled

    return crawl_all


# --- plain and compressed --------------------------------------------------------------------------------------------


def test_a_compressed_file_reads_the_same_as_a_plain_one(crawl: Callable[..., Crawled]) -> None:
    content = lines_of([post(1), comment(2), b"not json", b"", post(3, "nothing"), post(4, "CRM", selftext="ü" * 500)])

    plain, compressed = crawl(content), crawl(frame_of(content))

    assert plain == compressed
    assert plain.ids == ["t3_p1", "t1_c2", "t3_p4"]
    assert (plain.counts.read, plain.counts.malformed, plain.counts.given) == (5, 1, 3)


def test_several_frames_are_read_as_one_file_even_where_a_line_crosses_them(crawl: Callable[..., Crawled]) -> None:
    content = lines_of([post(number) for number in range(20)])
    cuts = [0, 10, 700, 701, len(content)]

    frames = b"".join(frame_of(content[start:end]) for start, end in pairwise(cuts))

    assert crawl(frames).ids == [f"t3_p{number}" for number in range(20)]


def test_an_empty_frame_and_a_skippable_one_between_others_are_passed_over(crawl: Callable[..., Crawled]) -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00note"

    crawled = crawl(frame_of(lines_of([post(1)])) + frame_of(b"") + skippable + frame_of(lines_of([post(2)])))

    assert crawled.ids == ["t3_p1", "t3_p2"]
    assert crawled.failure is None


def test_a_compressed_file_that_begins_with_a_skippable_frame_is_compressed(crawl: Callable[..., Crawled]) -> None:
    # As pzstd writes them.
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00\x00\x00\x00\x00"

    assert crawl(skippable + frame_of(lines_of([post(1)]))).ids == ["t3_p1"]


def test_a_frame_with_the_long_window_of_the_monthly_dumps_is_read(crawl: Callable[..., Crawled]) -> None:
    long_window = zstandard.ZstdCompressionParameters(window_log=31)
    compressor = zstandard.ZstdCompressor(compression_params=long_window).compressobj()

    assert crawl(compressor.compress(lines_of([post(1)])) + compressor.flush()).ids == ["t3_p1"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \t\r\n", zstandard.ZstdCompressor().compress(b"")])
def test_a_file_without_records_has_no_documents(content: bytes, crawl: Callable[..., Crawled]) -> None:
    crawled = crawl(content)

    assert (crawled.batches, crawled.counts, crawled.failure) == ([], SourceCounts(), None)


def test_the_last_line_needs_no_end(crawl: Callable[..., Crawled]) -> None:
    assert crawl(lines_of([post(1), post(2)]).rstrip(b"\n")).ids == ["t3_p1", "t3_p2"]


def test_a_file_from_windows_is_read(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl(b"\xef\xbb\xbf" + lines_of([post(1), post(2)]).replace(b"\n", b"\r\n"))

    assert crawled.ids == ["t3_p1", "t3_p2"]
    assert crawled.counts.malformed == 0


# --- lines that are no records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"id": "x", "title": "Which CRM', "not JSON"),
        (b'{"id": "x", "title": "Which CRM?"} trailing', "not JSON"),
        (b"Which CRM?", "not JSON"),
        (b'{"id": "x", "title": "CRM \xff\xfe"}', "not JSON"),
        (b"\xff\xfe\x00\x00", "not JSON"),
        (b"\x00\x00\x00\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 5_000, "not JSON"),
        (b'["CRM"]', "not a JSON object"),
        (b'"CRM"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"17", "not a JSON object"),
        (b"true", "not a JSON object"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_line_that_is_no_record_is_counted_with_its_number_and_the_others_are_read(
    line: bytes, why: str, crawl: Callable[..., Crawled]
) -> None:
    crawled = crawl([post(1), b"", line, post(2)])

    assert crawled.ids == ["t3_p1", "t3_p2"]
    assert crawled.failure is None
    assert (crawled.counts.read, crawled.counts.malformed) == (3, 1)
    (example,) = crawled.counts.malformed_examples
    assert example.startswith(f"line 3: {why}")
    assert len(example) < 200


def test_a_matching_record_without_an_id_is_counted_with_its_number(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([post(1), b"", {"title": "Which CRM?"}, post(2)])

    assert crawled.ids == ["t3_p1", "t3_p2"]
    assert crawled.counts.malformed == 1
    assert "3" in crawled.counts.malformed_examples[0]
    assert "no usable id" in crawled.counts.malformed_examples[0]


def test_all_malformed_lines_are_counted_and_the_first_few_told(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([b"oops"] * (MAX_EXAMPLES + 7) + [post(1)])

    assert crawled.counts.malformed == MAX_EXAMPLES + 7
    assert [example.split(":")[0] for example in crawled.counts.malformed_examples] == [
        f"line {number}" for number in range(1, MAX_EXAMPLES + 1)
    ]
    assert crawled.ids == ["t3_p1"]


def test_an_overlong_line_is_one_malformed_line(crawl: Callable[..., Crawled]) -> None:
    overlong = b'{"id": "x", "title": "CRM ' + b"x" * (2 * MAX_LINE_BYTES) + b'"}'

    crawled = crawl([post(1), overlong, b"oops", post(2)])

    assert crawled.ids == ["t3_p1", "t3_p2"]
    assert (crawled.counts.read, crawled.counts.malformed) == (4, 2)
    assert [example.split(":")[0] for example in crawled.counts.malformed_examples] == ["line 2", "line 3"]


def test_the_end_of_an_overlong_line_is_no_record(crawl: Callable[..., Crawled]) -> None:
    padding = b" " * (MAX_LINE_BYTES - 2)

    crawled = crawl([b"17" + padding + json.dumps(post("smuggled")).encode(), post(1)])

    assert crawled.ids == ["t3_p1"]


def test_a_line_as_long_as_may_be_is_a_record(crawl: Callable[..., Crawled]) -> None:
    line = json.dumps(post(1)).encode()

    assert crawl([line + b" " * (MAX_LINE_BYTES - len(line) - 1), post(2)]).ids == ["t3_p1", "t3_p2"]


# --- files that end too soon -----------------------------------------------------------------------------------------


def test_a_plain_file_cut_in_a_line_is_told_as_a_malformed_line(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl(lines_of([post(1), post(2)])[:-20])

    assert crawled.ids == ["t3_p1"]
    assert crawled.counts.malformed == 1


def incompressible(count: int) -> list[dict[str, Any]]:
    """Records that take several blocks of a frame even when compressed."""
    return [post(number, selftext=Random(number).randbytes(500).hex()) for number in range(count)]


def is_told(crawled: Crawled) -> bool:
    """Whether the crawl says that the file itself is broken, not only some line of it."""
    return crawled.failure is not None or bool(crawled.counts.warnings)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_compressed_file_cut_in_a_frame_hands_on_what_was_read_and_tells(
    share: float, crawl: Callable[..., Crawled]
) -> None:
    frame = frame_of(lines_of(incompressible(3_000)))

    crawled = crawl(frame[: int(len(frame) * share)])

    assert crawled.ids == [f"t3_p{number}" for number in range(len(crawled.ids))]
    assert len(crawled.ids) == crawled.counts.given
    assert is_told(crawled)


@pytest.mark.parametrize("missing", [1, 4, 5])
def test_a_compressed_file_without_its_last_bytes_is_told_though_every_record_is_there(
    missing: int, crawl: Callable[..., Crawled]
) -> None:
    crawled = crawl(frame_of(lines_of([post(1), post(2)]))[:-missing])

    assert is_told(crawled)


@pytest.mark.parametrize("kept", [4, 5, 8])
def test_a_compressed_file_of_which_only_the_beginning_is_there_is_told(
    kept: int, crawl: Callable[..., Crawled]
) -> None:
    assert is_told(crawl(frame_of(lines_of([post(1)]))[:kept]))


def test_a_cut_in_a_later_frame_hands_on_the_earlier_frames_and_tells(crawl: Callable[..., Crawled]) -> None:
    first, second = frame_of(lines_of([post(1), post(2)])), frame_of(lines_of([post(3)]))

    crawled = crawl(first + second[: len(second) // 2])

    assert crawled.ids[:2] == ["t3_p1", "t3_p2"]
    assert is_told(crawled)


def test_a_cut_between_frames_cannot_be_told_from_the_end(crawl: Callable[..., Crawled]) -> None:
    first = frame_of(lines_of([post(1)]))

    assert not is_told(crawl(first))


def flipped(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    for offset in range(8):
        damaged[place + offset] ^= 0xFF
    return bytes(damaged)


def test_a_damaged_file_ends_in_one_sentence_that_says_what_to_do(crawl: Callable[..., Crawled]) -> None:
    frame = frame_of(lines_of(incompressible(3_000)))

    failure = crawl(flipped(frame, len(frame) // 2)).failure

    assert failure is not None
    assert "archive cannot be read past record " in str(failure)
    assert "Fetch the file again and repeat the run" in str(failure)
    assert "\n" not in str(failure)


@pytest.mark.parametrize("damage", ["in the second frame", "no frame at all"])
def test_what_was_read_before_the_damage_is_handed_on(damage: str, crawl: Callable[..., Crawled]) -> None:
    first, second = frame_of(lines_of([post(number) for number in range(25)])), frame_of(lines_of(incompressible(99)))
    broken = flipped(second, len(second) // 2) if damage == "in the second frame" else b"neither frame nor record"

    crawled = crawl(first + broken, batch_documents=10)

    assert crawled.failure is not None
    assert crawled.ids[:25] == [f"t3_p{number}" for number in range(25)]
    assert len(crawled.ids) == crawled.counts.given


def test_a_source_that_failed_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(frame_of(lines_of([post(1)])) + b"rubbish")
    held = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else pytest.skip("needs /proc")

    with pytest.raises(SourceFailed):
        list(ArchiveSource(path).search(campaign()))

    assert len(list(Path("/proc/self/fd").iterdir())) == held


# --- which records are handed on -------------------------------------------------------------------------------------


def test_the_keywords_that_matched_go_with_the_document(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([post(1, "How to track a client, in a CRM?"), post(2, "crm"), post(3, "Clients", selftext="track")])

    assert [document.matched_keywords for document in crawled.documents] == [
        ("crm", "track clients"),
        ("crm",),
        ("track clients",),
    ]
    assert {document.source for document in crawled.documents} == {"archive"}


def test_a_record_that_matches_nothing_is_read_and_not_handed_on(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([post(1, "Nothing"), post(2, "scrm"), {"id": "x"}, post(3, None, selftext=7)])

    assert crawled.ids == []
    assert (crawled.counts.read, crawled.counts.given, crawled.counts.malformed) == (4, 0, 1)


def test_a_comment_matches_by_its_own_text_alone(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl(
        [
            comment(1, "Me too!", link_title="Which CRM?"),
            comment(2, "Get a CRM", link_title="Help"),
            comment(3, "Track them", link_title="My clients"),
            comment(4, "Track your CLIENT", link_title=None),
        ]
    )

    assert crawled.ids == ["t1_c2", "t1_c4"]


def test_a_keyword_in_entities_and_markup_is_found(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([post(1, "R&amp;D tool"), post(2, "a &lt;R&amp;D&gt;")], keywords=["r&d"])

    assert crawled.ids == ["t3_p1", "t3_p2"]
    assert crawled.documents[0].title == "R&D tool"


def test_a_keyword_beyond_the_length_of_a_document_does_not_count(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([post(1, "Help", selftext="x " * 30_000 + "crm"), post(2, "Help", selftext="crm " + "x " * 30_000)])

    assert crawled.ids == ["t3_p2"]


def test_a_negative_keyword_leaves_the_record_out(crawl: Callable[..., Crawled]) -> None:
    things = [post(1, "CRM", selftext="We are HIRING"), comment(2, "A CRM. Hiring!"), post(3, "CRM hire")]

    assert crawl(things, negative_keywords=["hiring"]).ids == ["t3_p3"]
    assert len(crawl(things).ids) == 3


def test_excluded_authors_and_subreddits_are_left_out(crawl: Callable[..., Crawled]) -> None:
    things = [
        post(1, author="AutoModerator"),
        post(2, author="automoderator"),
        post(3, subreddit="ForHire"),
        post(4, author="[deleted]"),
        post(5),
    ]

    crawled = crawl(things, exclude_authors=["AutoModerator"], subreddits={"exclude": ["forhire"]})

    assert crawled.ids == ["t3_p4", "t3_p5"]
    assert crawled.documents[0].author is None


def test_only_included_subreddits_and_content_are_handed_on(crawl: Callable[..., Crawled]) -> None:
    things = [post(1, subreddit="Sales"), post(2, subreddit="startups"), comment(3), comment(4, subreddit="startups")]

    assert crawl(things, subreddits={"include": ["r/SALES"]}).ids == ["t3_p1", "t1_c3"]
    assert crawl(things, content=["comments"]).ids == ["t1_c3", "t1_c4"]
    assert crawl(things, content=["posts"]).ids == ["t3_p1", "t3_p2"]


@pytest.mark.parametrize("thing", [post(1), comment(1)])
def test_what_was_deleted_later_is_never_handed_on_and_counted(
    thing: dict[str, Any], crawl: Callable[..., Crawled]
) -> None:
    crawled = crawl([thing | {"_meta": {"was_deleted_later": True}}, post(2)])

    assert crawled.ids == ["t3_p2"]
    assert (crawled.counts.deleted, crawled.counts.given) == (1, 1)


@pytest.mark.parametrize("meta", [None, {}, {"was_deleted_later": False}, {"was_deleted_later": None}, [], "deleted"])
def test_a_record_that_was_not_deleted_is_handed_on(meta: Any, crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([post(1, _meta=meta)])

    assert crawled.ids == ["t3_p1"]
    assert crawled.counts.deleted == 0


def test_repeats_are_handed_on_as_they_come(crawl: Callable[..., Crawled]) -> None:
    assert crawl([post(1), post(2), post(1)]).ids == ["t3_p1", "t3_p2", "t3_p1"]


def test_hostile_values_do_not_stop_the_crawl(crawl: Callable[..., Crawled]) -> None:
    hostile = b'{"id": "h", "title": "crm \\u0000 \\ud800 \\u001b[31m", "score": 1e400, "created_utc": -Infinity}'

    crawled = crawl([hostile, post(1)])

    assert crawled.ids == ["t3_h", "t3_p1"]
    assert crawled.documents[0].title == "crm   [31m"


@pytest.mark.parametrize("name", ["crm", "invoicing", "website"])
def test_golden_leads_and_nearly_all_golden_documents_match_their_campaigns_keywords(name: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("the golden campaigns are not beside this checkout (../shared/golden)")
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    source = ArchiveSource(GOLDEN / f"{name}.ndjson.zst")

    documents = [
        document for batch in source.search(campaign(keywords=golden["keywords"])) for document in batch.documents
    ]

    # The crawls were made by an older rule, which counted what stands only in addresses.
    found = {document.reddit_id for document in documents}
    assert found <= set(golden["crawl"])
    # The crawl was made before addresses of links stopped counting, and automation was left out.
    assert len(found) >= 0.93 * len(golden["crawl"])
    assert {reddit_id for reddit_id, label in golden["labels"].items() if label == 2} <= found
    assert (source.counts.malformed, source.counts.warnings) == (0, [])


# --- streaming -------------------------------------------------------------------------------------------------------


def test_batches_have_at_most_so_many_documents_and_none_is_empty(crawl: Callable[..., Crawled]) -> None:
    assert crawl([post(number) for number in range(25)], batch_documents=10).batches == [10, 10, 5]
    assert crawl([post(number) for number in range(20)], batch_documents=10).batches == [10, 10]


def test_a_batch_is_handed_on_before_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(lines_of([post(number) for number in range(1_000)]))
    source = ArchiveSource(path, batch_documents=10)

    batches = source.search(campaign())
    assert source.counts.read == 0
    assert len(next(batches).documents) == 10

    assert source.counts.read == 10


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_of_any_size_takes_little_memory(compressed: bool, tmp_path: Path) -> None:
    path, size = tmp_path / "archive", 0
    opened = zstandard.open(path, "wb") if compressed else path.open("wb")
    with opened as file:
        for number in range(5_000):
            title = "Which CRM?" if number % 5 == 0 else "Which tea?"
            size += file.write(json.dumps(post(number, title, selftext=f"{number:06} " * 570)).encode() + b"\n")
    assert size > 20 * 10**6

    tracemalloc.start()
    try:
        found = sum(len(batch.documents) for batch in ArchiveSource(path, batch_documents=100).search(campaign()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found == 1_000
    assert peak < 4 * 10**6


# --- the file itself -------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound) as refused:
        ArchiveSource(tmp_path / "RS_2026-01.zst")

    expected = f"There is no archive file at {tmp_path / 'RS_2026-01.zst'}. Give the path of an .ndjson or .zst file."
    assert str(refused.value) == expected


def test_a_folder_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="There is no archive file at"):
        ArchiveSource(tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "a\x00b"])
def test_a_path_that_no_file_can_have_is_told_like_one_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        ArchiveSource(tmp_path / name)


def test_a_file_that_vanishes_before_it_is_read_ends_the_crawl_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(lines_of([post(1)]))
    source = ArchiveSource(path)
    path.unlink()

    with pytest.raises((SourceFailed, SourceNotFound), match="archive"):
        list(source.search(campaign()))


def test_the_facts_of_an_archive_are_all_there_are(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"")
    frame = to_frame([])

    assert ArchiveSource(path).look_up_subreddits(frame) is frame
    assert ArchiveSource(path).look_up_authors(frame) is frame


# --- shapes of files -------------------------------------------------------------------------------------------------


def wrapped(thing: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "t1" if "body" in thing else "t3", "data": thing}


def listing(*things: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"after": None, "children": [wrapped(thing) for thing in things]}}


THINGS = [post(1), comment(2), post(3)]
SHAPES: dict[str, Any] = {
    "an array on one line": json.dumps(THINGS),
    "an array, a record a line": "[\n" + ",\n".join(json.dumps(thing) for thing in THINGS) + "\n]\n",
    "a pretty array": json.dumps(THINGS, indent=2),
    "a comma at each line's end": "".join(json.dumps(thing) + ",\n" for thing in THINGS),
    "text sequences": "".join(f"\x1e{json.dumps(thing)}\n" for thing in THINGS),
    "pretty text sequences": "".join(f"\x1e{json.dumps(thing, indent=1)}\n" for thing in THINGS),
    "all on one line": "".join(map(json.dumps, THINGS)),
    "several on a line": f"{json.dumps(THINGS[0])}\n{' '.join(map(json.dumps, THINGS[1:]))}\n",
    "by their ids": json.dumps({thing["id"]: thing for thing in THINGS}),
    "each under a name of its kind": "\n".join(json.dumps({"result": thing}) for thing in THINGS),
    "pretty objects one after the other": "\n".join(json.dumps(thing, indent=4) for thing in THINGS),
    "objects without anything between them": "".join(json.dumps(thing) for thing in THINGS),
    "old Macs' line ends": "\r".join(json.dumps(thing) for thing in THINGS),
    "wrapped things a line": "\n".join(json.dumps(wrapped(thing)) for thing in THINGS),
    "a listing": json.dumps(listing(*THINGS)),
    "a pretty listing": json.dumps(listing(*THINGS), indent=2),
    "listings a line": "\n".join(json.dumps(listing(thing)) for thing in THINGS),
    "data of an API": json.dumps({"data": THINGS, "error": None}),
    "another wrapper": json.dumps({"posts": THINGS}),
    "a page of comments": json.dumps(
        [
            listing(THINGS[0]),
            listing(THINGS[1] | {"replies": listing(comment(4))}, {"id": "m", "children": ["x"], "count": 1}),
            listing(THINGS[2] | {"replies": ""}),
        ]
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_records_are_read_from_files_as_people_save_them(
    shape: str, encoding: str, crawl: Callable[..., Crawled]
) -> None:
    crawled = crawl(SHAPES[shape].encode(encoding))

    expected = {"t3_p1", "t1_c2", "t3_p3", *(["t1_c4"] if shape == "a page of comments" else [])}
    assert (set(crawled.ids), len(crawled.ids), crawled.failure) == (expected, len(expected), None)
    assert (crawled.counts.read, crawled.counts.malformed) == (len(expected), 0)


def test_an_array_is_read_past_what_is_broken_in_it_and_to_where_it_was_cut(crawl: Callable[..., Crawled]) -> None:
    content = "[\n" + ",\n".join([json.dumps(post(1)), '{"id": "p2", "title": oops}', json.dumps(post(3))])

    crawled = crawl((content + ',\n{"id": "p4", "title": "CR').encode())

    assert crawled.ids == ["t3_p1", "t3_p3"]
    assert crawled.counts.malformed == 2


def test_a_large_array_is_streamed(crawl: Callable[..., Crawled]) -> None:
    things = [post(number, selftext="x" * 3_000) for number in range(3_000)]

    assert len(crawl(json.dumps(things).encode()).ids) == 3_000


@pytest.mark.parametrize("thing", [{"kind": "t5", "data": {"id": "a"}}, {"name": "t5_a", "title": "CRM"}, {"x": 1}, 7])
def test_what_is_neither_post_nor_comment_is_counted(thing: Any, crawl: Callable[..., Crawled]) -> None:
    crawled = crawl([post(1), thing])

    assert (crawled.ids, crawled.counts.malformed) == (["t3_p1"], 1)


def test_hostile_nesting_is_broken_and_costs_little(crawl: Callable[..., Crawled]) -> None:
    bombs = [b"[" * 200_000, b"[" + b'{"a":' * 200_000, b"[" + b"{\n" * 200_000]

    for bomb in bombs:
        assert crawl(bomb).ids == []


def test_utf16_within_zstd_is_refused_by_name(crawl: Callable[..., Crawled]) -> None:
    failure = crawl(frame_of(json.dumps(THINGS).encode("utf-16"))).failure

    assert failure is not None
    assert "UTF-16" in str(failure)


# --- states ----------------------------------------------------------------------------------------------------------


def states(tmp_path: Path, *things: dict[str, Any], stored: dict[str, Any] | None = None) -> list[Any]:
    path = tmp_path / "archive"
    path.write_bytes(lines_of(things))
    batches = list(ArchiveSource(path, stored=stored).search(campaign()))
    return [([document.body for document in batch.documents], list(batch.gone)) for batch in batches]


def test_what_is_gone_later_in_the_file_is_named(tmp_path: Path) -> None:
    assert states(tmp_path, post(1, selftext="Old."), post(1, "[deleted]")) == [(["Old."], ["t3_p1"])]


def test_what_was_restored_later_in_the_file_is_given(tmp_path: Path) -> None:
    assert states(tmp_path, post(1, selftext="[removed]"), post(1, selftext="Back.")) == [(["Back."], [])]
    assert states(tmp_path, post(1), post(1, selftext="[removed]"), post(1, selftext="Back."))[0][1] == []


def test_an_older_copy_does_not_bring_back_what_is_gone(tmp_path: Path) -> None:
    gone, alive = post(1, "[deleted]", retrieved_on=1_780_000_999), post(1, retrieved_on=1_780_000_111)

    assert states(tmp_path, gone, alive) == []
    assert states(tmp_path, alive, gone) == [([""], ["t3_p1"])]


@pytest.mark.parametrize("copy", [{}, {"retrieved_on": 1_780_000_111}, {"retrieved_on": 1_780_000_999}])
def test_what_an_archive_notes_as_taken_down_is_gone_in_any_order(tmp_path: Path, copy: dict[str, Any]) -> None:
    noted = post(1, _meta={"was_deleted_later": True}, retrieved_on=1_780_000_555)
    alive = post(1, **copy)

    assert states(tmp_path, noted, alive) == []
    assert states(tmp_path, alive, noted) == [([""], ["t3_p1"])]
    assert states(tmp_path, alive, noted, alive) == [([""], ["t3_p1"])]


def test_a_copy_from_between_does_not_bring_back_what_is_gone(tmp_path: Path) -> None:
    first, between = post(1, retrieved_on=1_780_000_111), post(1, retrieved_on=1_780_000_555)
    gone, back = post(1, "[deleted]", retrieved_on=1_780_000_777), post(1, retrieved_on=1_780_000_999)

    assert states(tmp_path, first, gone, between) == [([""], ["t3_p1"])]
    assert states(tmp_path, first, gone, between, back) == [(["", ""], [])]


def test_an_older_copy_that_says_gone_does_not_count(tmp_path: Path) -> None:
    gone, alive = post(1, selftext="[removed]", retrieved_on=1_780_000_111), post(1, retrieved_on=1_780_000_999)

    assert states(tmp_path, alive, gone) == [([""], [])]


def test_what_is_stored_is_named_when_it_is_gone_whatever_it_says(tmp_path: Path) -> None:
    assert states(tmp_path, post(1, "[deleted]"), post(2, "[deleted]"), stored={"t3_p1": None}) == [([], ["t3_p1"])]


def test_what_is_stored_is_given_though_its_text_does_not_match_any_more(tmp_path: Path) -> None:
    assert states(tmp_path, post(1, "Solved", selftext="Thanks."), stored={"t3_p1": None}) == [(["Thanks."], [])]


def test_what_no_person_wrote_is_counted_by_kind(crawl: Callable[..., Crawled]) -> None:
    crawled = crawl(
        [
            post(1, promoted=True),
            post(2, is_created_from_ads_ui=True),
            post(3, author="AutoModerator"),
            comment(4, "A CRM.\n\n*I am a bot, and this action was performed automatically.*"),
            comment(5, "My boss thinks I am a bot. Which CRM do you use?"),
        ]
    )

    assert crawled.ids == ["t1_c5"]
    assert crawled.counts.automated == {"advertisements": 2, "automoderator": 1, "bots": 1}
