"""The CSV file of rejections, which a run can always do without."""

import csv
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lead_assets.storage.rejection_csv import REJECTION_COLUMNS, RejectionLog, safe_cell


def rejection(number: int | str = 1, **changed: Any) -> dict[str, Any]:
    rejected = {
        "campaign_id": "shop",
        "reddit_id": f"t3_{number}",
        "stage": "crawl",
        "gate": "author_karma",
        "setting": "REDDIT_MIN_AUTHOR_KARMA",
        "observed": 3.0,
        "threshold": 15.0,
        "observed_values": {"author_karma": 3.0},
        "kind": "post",
        "source": "archive",
        "subreddit": "sales",
        "author": "ada",
        "title": "Which CRM?",
        "excerpt": "For my shop.",
        "url": "https://www.reddit.com/comments/a/",
        "posted_at": "2026-01-01",
        "run_id": "run-1",
    }
    assert set(changed) <= set(rejected)
    return rejected | changed


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a whole file: each has all the columns and no more."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == REJECTION_COLUMNS
    return [dict(zip(header, row, strict=True)) for row in rows]


def leftovers(folder: Path) -> list[str]:
    """The files in ``folder`` that are no CSV file of a run."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".csv"]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: no file of this process can grow past ``size``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


# --- safe_cell -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        '=HYPERLINK("https://evil.example")',
        "+1",
        "-1",
        "@SUM(A1)",
        "=",
        "  =1+1",
        "\t=1+1",
        "\n=1",
        "\r\n-1",
        "\xa0@x",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM(A1)",
        " \u200b\uff1d1+1",
        "-",
    ],
)
def test_text_that_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["\tcmd", "\rcmd", "\ncmd"])
def test_text_that_begins_with_a_tab_or_a_line_end_gets_an_apostrophe(text: str) -> None:
    # OWASP, CSV Injection: cells that begin with tab (0x09), carriage return (0x0D) or line feed (0x0A).
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "CRM", "1 = 1", "a-b", "'=1", "(=1)", "t3_a", "https://www.reddit.com/", "é"])
def test_other_text_stays(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.parametrize("value", [-3, -0.5, 0, None, True, 1.5])
def test_what_is_no_text_stays(value: object) -> None:
    assert safe_cell(value) is value


# --- the CSV file ----------------------------------------------------------------------------------------------------


def test_the_file_is_named_by_campaign_and_run_and_has_a_row_for_each_rejection(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as log:
        log.add([rejection(1), rejection(2, observed=None, author=None)])
        log.add([rejection(3)])

    assert log.path == tmp_path / "shop" / "run-1.csv"
    assert log.state == str(log.path)
    assert [row["reddit_id"] for row in read(log.path)] == ["t3_1", "t3_2", "t3_3"]
    assert read(log.path)[1] == {
        name: "" if name in {"observed", "author"} else str(value)
        for name, value in rejection(2).items()
        if name in REJECTION_COLUMNS
    }
    assert leftovers(tmp_path) == []


def test_a_run_without_rejections_has_a_file_with_the_header_alone(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as log:
        log.add([])

    assert read(log.path) == []


def test_rank_adds_to_the_file_of_the_crawl_under_one_header(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as crawl:
        crawl.add([rejection(1, title="Line\nend")])
    with RejectionLog(tmp_path, "shop", "run-1") as rank:
        rank.add([rejection(2, stage="rank")])

    assert [(row["reddit_id"], row["stage"]) for row in read(rank.path)] == [("t3_1", "crawl"), ("t3_2", "rank")]
    assert read(rank.path)[0]["title"] == "Line\nend"
    assert rank.path.read_text(encoding="utf-8").count("campaign_id") == 1


def test_adding_leaves_the_earlier_rows_byte_for_byte(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as crawl:
        crawl.add([rejection(1, title="a\r\nb\rc\nd")])
    before = crawl.path.read_bytes()
    with RejectionLog(tmp_path, "shop", "run-1") as rank:
        rank.add([rejection(2)])

    assert rank.path.read_bytes().startswith(before)


def test_a_file_that_somebody_saved_in_another_encoding_does_not_stop_the_run(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as crawl:
        crawl.add([rejection(1, title="Läden")])
    saved = crawl.path.read_text(encoding="utf-8").encode("latin-1")
    crawl.path.write_bytes(saved)

    with RejectionLog(tmp_path, "shop", "run-1") as rank:
        rank.add([rejection(2)])

    assert crawl.path.read_bytes().startswith(saved)


def test_runs_and_campaigns_have_files_of_their_own(tmp_path: Path) -> None:
    for campaign_id, run_id in (("shop", "run-1"), ("shop", "run-2"), ("crm", "run-1")):
        with RejectionLog(tmp_path, campaign_id, run_id) as log:
            log.add([rejection(f"{campaign_id}-{run_id}")])

    assert len(list(tmp_path.rglob("*.csv"))) == 3
    assert [row["reddit_id"] for row in read(tmp_path / "crm" / "run-1.csv")] == ["t3_crm-run-1"]


@pytest.mark.parametrize(
    "title",
    [
        "two\nlines",
        "two\r\nlines",
        'a "quoted" word',
        '"',
        '""",',
        "comma, semicolon; tab\t.",
        "ü 漢 🙂 \u202e \u2028",
        "",
        " spaces ",
        "'",
    ],
)
def test_any_text_comes_back_from_the_file_as_it_was(title: str, tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as log:
        log.add([rejection(1, title=title), rejection(2)])

    rows = read(log.path)

    assert rows[0]["title"] == title
    assert rows[1]["reddit_id"] == "t3_2"


def test_control_characters_are_left_out_of_the_file(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as log:
        log.add([rejection(1, title="a\x1b[31m \x00\x85\x9b \ud800b\tc\nd")])

    assert read(log.path)[0]["title"] == "a[31m  b\tc\nd"


@pytest.mark.parametrize("title", ["=1+1", '=HYPERLINK("x", "y")', "-2\n+3", "  @SUM(A1:A9)"])
def test_a_formula_comes_back_disarmed(title: str, tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as log:
        log.add([rejection(1, title=title, author="-ada-", observed=-3.0)])

    (row,) = read(log.path)

    assert row["title"] == "'" + title
    assert row["author"] == "'-ada-"
    assert row["observed"] == "-3.0"


def add_until(log: RejectionLog, error: BaseException) -> None:
    """Add two rows to a block that ``error`` then interrupts."""
    with log:
        log.add([rejection(1), rejection(2)])
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_block_leaves_the_rows_so_far(error: type[BaseException], tmp_path: Path) -> None:
    log = RejectionLog(tmp_path, "shop", "run-1")

    with pytest.raises(error):
        add_until(log, error("boom"))

    assert [row["reddit_id"] for row in read(log.path)] == ["t3_1", "t3_2"]
    assert leftovers(tmp_path) == []


def test_an_interrupted_second_block_keeps_the_rows_of_the_first(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as crawl:
        crawl.add([rejection(0)])
    rank = RejectionLog(tmp_path, "shop", "run-1")

    with pytest.raises(RuntimeError, match="boom"):
        add_until(rank, RuntimeError("boom"))

    assert [row["reddit_id"] for row in read(rank.path)] == ["t3_0", "t3_1", "t3_2"]


def test_while_a_block_is_open_readers_see_the_last_whole_file(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as crawl:
        crawl.add([rejection(1)])

    with RejectionLog(tmp_path, "shop", "run-1") as rank:
        rank.add([rejection(number, title="x" * 500) for number in range(500)])
        assert [row["reddit_id"] for row in read(rank.path)] == ["t3_1"]

    assert len(read(rank.path)) == 501


# --- when it cannot be written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2_000])
def test_on_a_full_disk_the_run_goes_on_and_the_state_says_why(rows: int, tmp_path: Path) -> None:
    # One row fails when the buffer is flushed at the end, many fail while they are added.
    log = RejectionLog(tmp_path, "shop", "run-1")

    with files_no_larger_than(100), log:
        log.add([rejection(number) for number in range(rows)])
        log.add([rejection("last")])

    assert log.state.startswith("not written: File too large (")
    assert str(tmp_path / "shop") in log.state
    assert log.state.endswith("Make room there or set REJECTION_LOG_DIR")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("room", [0, 100, 3_000])
def test_on_a_full_disk_the_previous_file_stays_and_nothing_unfinished(room: int, tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as crawl:
        crawl.add([rejection(1), rejection(2)])
    before = crawl.path.read_bytes()
    rank = RejectionLog(tmp_path, "shop", "run-1")

    with files_no_larger_than(room), rank:
        rank.add([rejection(number) for number in range(500)])

    assert rank.state.startswith("not written: File too large")
    assert crawl.path.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_rows_after_a_failure_are_not_written_behind_a_gap(tmp_path: Path) -> None:
    log = RejectionLog(tmp_path, "shop", "run-1")

    with log:
        with files_no_larger_than(100):
            log.add([rejection(number) for number in range(2_000)])
        log.add([rejection("after")])

    assert log.failure is not None
    assert not log.path.exists()
    assert leftovers(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "rejections").write_text("a file")

    with RejectionLog(tmp_path / "rejections", "shop", "run-1") as log:
        log.add([rejection(1)])

    assert log.state.startswith("not written: ")
    assert log.state.endswith("set REJECTION_LOG_DIR")
    assert (tmp_path / "rejections").read_text() == "a file"


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "shop" / "run-1.csv").mkdir(parents=True)

    with RejectionLog(tmp_path, "shop", "run-1") as log:
        log.add([rejection(1)])

    assert log.state.startswith("not written: Is a directory")
    assert leftovers(tmp_path) == []


def test_an_error_in_the_block_is_not_hidden_by_a_full_disk(tmp_path: Path) -> None:
    log = RejectionLog(tmp_path, "shop", "run-1")

    with pytest.raises(RuntimeError, match="boom"), files_no_larger_than(10):
        add_until(log, RuntimeError("boom"))

    assert log.failure is not None


def test_a_log_leaves_no_file_open(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("open files are counted in /proc")
    held = len(list(descriptors.iterdir()))

    for room in (10, 10**6):
        with files_no_larger_than(room), RejectionLog(tmp_path, "shop", "run-1") as log:
            log.add([rejection(1)])

    assert len(list(descriptors.iterdir())) == held
