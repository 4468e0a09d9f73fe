"""All text that comes from outside, through the whole step that takes it in: nothing ends a crawl or a run, and no
control character reaches a terminal, a log, a CSV file or metadata."""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.models.openai import endpoint as openai_endpoint
from lead_assets.models.openai.embedding_limits import KNOWN_LIMITS
from lead_assets.models.openai.formats import KNOWN
from lead_assets_tests.conftest import World, comment, failure, metadata, post
from lead_assets_tests.odd_texts import ODD, acts_on_a_terminal, controls, odd_texts
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.arctic_shift_server.server import Fault, subreddit
from lead_assets_tests.stand_ins.openai_server import CHAT, EMBEDDINGS, StandIn, faults
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

ASK = "Can anyone recommend a CRM?"
OPEN = {"COSINE_THRESHOLD": -1, "MIN_FUSED_SCORE_THRESHOLD": 0, "MIN_LEAD_PROBABILITY": 0}
_ids = itertools.count()


def things_with(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each text as title and body of a post, as a comment's, and in every other field of a post."""
    things: list[dict[str, Any]] = []
    for number, text in enumerate(texts.values()):
        things.append(post(f"{ASK} {text}", f"{text} {ASK}", author=f"ann{number}"))
        things.append(comment(f"{ASK} {text}", link_title=text, author=f"bob{number}"))
        elsewhere = ("author", "subreddit", "permalink", "subreddit_id", "author_fullname", "link_id", "created")
        others = dict.fromkeys(elsewhere, text[:9_000]) | dict.fromkeys(("num_comments", "over_18"), text[:9_000])
        things.append(post(f"{ASK} Number {number}.", "We lose track of clients.", **others))
    return things


def events_of(world: World, result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """All texts in what Dagster has kept of a run: its log and its metadata."""
    waiting: list[Any] = [json.loads(dg.serialize_value(entry)) for entry in world.instance.all_logs(result.run_id)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]


def assert_calm(world: World, result: dg.ExecuteInProcessResult) -> None:
    """Nothing in log, metadata and CSV files acts on who looks at them."""
    assert {each for text in events_of(world, result) for each in controls(text)} == set()
    for path in (world.folder / "rejections").glob("*/*.csv"):
        assert controls(path.read_text(encoding="utf-8")) == set()


@pytest.fixture
def shell(world: World, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs commands on ``world``."""
    url = world.database.engine.url.render_as_string(hide_password=False)
    for name, value in (("DATABASE_URL", url), ("COLUMNS", "120"), ("TYPESENSE_URL", servers.typesense_url)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TYPESENSE_API_KEY", servers.typesense_api_key)

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == code, (arguments, result.output[-2_000:], result.exception)
        return result

    return run


def test_posts_and_comments_go_through_the_whole_graph_and_out_again(world: World, shell: Any) -> None:
    things = things_with(ODD)
    rejected = [post(f"{ASK} {text}", text, upvote_ratio=0.1) for text in ODD.values()]
    world.archive(*things, *rejected)
    world.campaign(settings=OPEN)

    result = world.run()

    crawled = metadata(result, "crawled_documents")
    assert crawled["records_malformed"] == 0
    assert metadata(result, "extracted_leads")["failed"] == 0
    assert crawled["records_read"] == len(things) + len(rejected)
    assert_calm(world, result)
    ids = [row["reddit_id"] for row in world.rows("SELECT reddit_id FROM lead_assets.documents")]
    assert len(ids) >= len(ODD) * 2
    for arguments in (["leads", "crm"], ["candidates", "crm"], ["status"], *(["explain", "crm", each] for each in ids)):
        assert acts_on_a_terminal(shell(*arguments).output) == set(), arguments
    for form in ("csv", "jsonl"):
        assert controls(shell("leads", "crm", "--format", form).stdout) == set()
        shell("export", "crm", "--format", form, "--to", str(world.folder / form))
    exported = [path.read_text(encoding="utf-8") for path in world.folder.glob("*/*.*l") if path.suffix == ".jsonl"]
    exported += [path.read_text(encoding="utf-8") for path in (world.folder / "csv").glob("*.csv")]
    assert len(exported) == 6
    assert {each for text in exported for each in controls(text)} == set()
    assert not [line for text in exported for line in text.splitlines() if line.startswith(("=", "\uff1d"))]
    assert controls(shell("report", "crm").stdout) == set()


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(text=odd_texts, other=odd_texts)
def test_whatever_is_written_is_crawled_ranked_and_read(world: World, text: str, other: str) -> None:
    campaign_id = world.campaign(f"crm{next(_ids)}", settings=OPEN)
    world.archive(*things_with({"one": text, "other": other}))

    result = world.run(campaign_id)

    assert metadata(result, "extracted_leads")["failed"] == 0
    assert_calm(world, result)


LINES: dict[str, bytes] = {
    "no utf-8": b'{"id": "1a", "title": "\xff\xfe crm"}',
    "nul": b'{"id": "1b", "title": "crm \x00"}',
    "escape": b'{"id": "1c", "title": \x1b[31m crm}',
    "deep": b"[" * 100_000,
    "digits": b'{"id": "1d", "title": "crm", "score": ' + b"9" * 5_000 + b"}",
    "infinite": b'{"id": "1e", "title": "which crm?", "score": 1e999, "created_utc": NaN, "author": {"a": []}}',
    "half": b'{"id": "1f", "title": "crm',
    "bytes": bytes(range(256)),
}


def test_lines_of_an_archive_are_read_or_counted(world: World) -> None:
    good = post(ASK)
    lines = [json.dumps(good).encode(), *LINES.values(), json.dumps(post(ASK, author="bob")).encode()]
    (world.folder / "archive.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    world.campaign(settings={"REDDIT_MIN_AUTHOR_KARMA": -1})

    result = world.run(only=("crawled_documents",))

    assert {good["name"]} < {row["reddit_id"] for row in world.rows("SELECT reddit_id FROM lead_assets.documents")}
    assert metadata(result, "crawled_documents")["records_malformed"] >= 4
    assert_calm(world, result)


@pytest.mark.parametrize("source", ["reddit", "arctic_shift"])
def test_live_sources_are_crawled_to_their_end(source: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    things = things_with({name: text[:50_000] for name, text in ODD.items()})
    monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
    corpus = Corpus()
    with RedditServer(corpus) as reddit, ArcticShiftServer() as arctic:
        for name, value in reddit.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ARCTIC_SHIFT_URL", arctic.url)
        for thing in things:
            if thing["subreddit"] == "smallbusiness":
                (corpus.add_comment if thing["name"].startswith("t1_") else corpus.add_post)(thing)
                arctic.add(thing)
        # Facts about subreddits, as odd as their names.
        arctic.subreddits += [subreddit(text[:200], f"2o{place}") for place, text in enumerate(ODD.values())]
        odd_facts = {"subscribers": "many\x1b[31m", "over18": "\u202eno", "id": ODD["nul"]}
        arctic.subreddits.append(subreddit("smallbusiness") | odd_facts)
        world.campaign(
            source=source,
            archive=None,
            subreddits={"include": ["smallbusiness"]},
            settings={"REDDIT_MIN_SUB_SUBSCRIBERS": 0},
        )
        result = world.run(only=("crawled_documents",))

    assert world.value("SELECT count(*) FROM lead_assets.documents") >= len(ODD)
    assert_calm(world, result)


def test_what_arctic_shift_says_of_its_failure_is_told_calmly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
    with ArcticShiftServer() as arctic:
        monkeypatch.setenv("ARCTIC_SHIFT_URL", arctic.url)
        arctic.maintenance = ODD["terminal escapes"] + ODD["bidi"] + ODD["lone surrogates"] + ODD["digit bomb"]
        arctic.fail(Fault.MAINTENANCE, times=None)
        world.campaign(source="arctic_shift", archive=None, subreddits={"include": ["smallbusiness"]})
        result = world.run(only=("crawled_documents",), ok=False)

    assert "crm" in failure(result)
    assert acts_on_a_terminal(failure(result)) == set()
    assert_calm(world, result)


@pytest.mark.parametrize("name", ODD)
def test_campaign_files_are_listed_and_validated(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path))
    text = ODD[name]
    good = {"name": "Good", "product": "A CRM.", "keywords": ["crm"], "source": "archive", "archive": {"path": "a"}}
    (tmp_path / "good.yaml").write_text(json.dumps(good))
    for number, key in enumerate(("name", "product", "keywords", "timezone", "schedule", "exclude_authors", text)):
        value = [text] if key in ("keywords", "exclude_authors") else text
        (tmp_path / f"odd{number}.yaml").write_text(json.dumps(good | {key: value}))
    (tmp_path / "raw.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    (tmp_path / "settings.yaml").write_text(json.dumps(good | {"settings": {text: text, "LLM_MODEL": text}}))

    for arguments, codes in ((["campaigns", "list"], {0}), (["campaigns", "validate"], {0, 2})):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code in codes, (result.output[-500:], result.exception)
        assert acts_on_a_terminal(result.output) == set()
        assert "good" in result.output
    listed = CliRunner().invoke(main, ["campaigns", "list", "--json"])
    assert acts_on_a_terminal(listed.stdout) == set()
    assert {each["id"]: each["error"] for each in json.loads(listed.stdout)}["good"] is None


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    KNOWN.forget()
    KNOWN_LIMITS.forget()
    monkeypatch.setattr(openai_endpoint, "FIRST_WAIT_SECONDS", 0.01)
    with StandIn(api_key="sk-test") as started:
        monkeypatch.setenv("OPENAI_BASE_URL", started.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_RETRY_SECONDS", "0")
        yield started


def test_answers_of_a_model_are_read_or_counted(world: World, model: StandIn, shell: Any) -> None:
    for number, text in enumerate(ODD.values()):
        free = {"pain_point": text[:50_000], "summary": text[:50_000], "budget": text[:50_000]}
        listed = {"evidence": [ASK, text[:50_000]], "contact": [text[:50_000]]}
        answer = {"is_lead": True, "intent": "problem", "urgency": "low", "confidence": 0.9} | free | listed
        said = json.dumps(answer) if number % 2 else text[:50_000] + json.dumps(answer)
        model.fail(CHAT, faults.said(said).at(times=None, when=_asks(number)))
    world.archive(*(post(f"{ASK} Shop {number}?", author=f"ann{number}") for number in range(len(ODD))))
    world.campaign(settings=OPEN)

    result = world.run()

    read = metadata(result, "extracted_leads")
    assert read["extracted"] + read["failed"] == len(ODD)
    assert read["extracted"] >= len(ODD) // 2
    assert_calm(world, result)
    stored = world.rows("SELECT extraction::text, error, raw_answer FROM lead_assets.extractions")
    said = [text for row in stored for text in row.values() if text]
    rows = world.rows("SELECT extracted_data::text AS data FROM lead_assets.leads WHERE qualifies")
    assert len(rows) > len(ODD) // 2
    said += [row["data"] for row in rows]
    assert {each for text in said for each in controls(text)} == set()
    assert acts_on_a_terminal(shell("leads", "crm").output) == set()


def _asks(number: int) -> Any:
    return lambda body: f"Shop {number}?" in body["messages"][1]["content"]


@pytest.mark.parametrize("step", ["document_embeddings", "extracted_leads"])
def test_errors_of_an_endpoint_are_one_calm_sentence(step: str, world: World, model: StandIn) -> None:
    world.archive(post(ASK))
    world.campaign(settings=OPEN)
    if step == "extracted_leads":
        world.run(only=("crawled_documents", "typesense_index", "document_embeddings", "ranked_candidates"))
    else:
        world.run(only=("crawled_documents",))
    for name in ("terminal escapes", "bidi", "lone surrogates", "digit bomb", "nul", "markup"):
        said = faults.invalid_key(ODD[name])
        model.fail(CHAT if step == "extracted_leads" else EMBEDDINGS, said.at(times=1))

        result = world.run(only=(step,), ok=False)

        assert acts_on_a_terminal(failure(result)) == set(), name
        assert len(failure(result).splitlines()) == 1
        assert len(failure(result)) < 1_000
        assert_calm(world, result)


def test_imported_marks_are_taken_or_refused_in_a_sentence(world: World, shell: Any, tmp_path: Path) -> None:
    known = post(ASK)
    world.archive(known)
    world.campaign()
    world.run(only=("crawled_documents",))
    for name, text in ODD.items():
        plain = text[:50_000]
        rows = [{"reddit_id": plain, "mark": "lead"}, {"reddit_id": known["name"], "mark": plain, "reason": plain}]
        for row in rows:
            path = tmp_path / "marks.jsonl"
            path.write_text(json.dumps(row) + "\n", encoding="utf-8")
            result = CliRunner().invoke(main, ["marks", "import", "crm", str(path)])
            told = CliRunner().invoke(main, ["marks", "import", "crm", str(path), "--json"])
            assert {result.exit_code, told.exit_code} <= {0, 2}, (name, result.output[-300:], result.exception)
            assert acts_on_a_terminal(result.output + told.output) == set(), name
        (tmp_path / "marks.csv").write_bytes(b"reddit_id,mark\n" + plain.encode("utf-8", "surrogatepass") + b",lead\n")
        result = CliRunner().invoke(main, ["marks", "import", "crm", str(tmp_path / "marks.csv")])
        assert result.exit_code in (0, 2), (name, result.output[-300:], result.exception)
        assert acts_on_a_terminal(result.output) == set(), name
    assert world.value("SELECT count(*) FROM lead_assets.lead_events") == 0
