"""The command line as a user meets it, on real servers: what it prints, and how it says what is wrong."""

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner, Result

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.models.openai.embedder import DECODING
from lead_assets.pipeline.embed import BATCH
from lead_assets.storage.database import Database
from lead_assets.storage.schema import REVISION, metadata
from lead_assets_tests.conftest import PROJECT, post, write_archive
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.openai_server import CHAT, EMBEDDINGS, StandIn
from lead_assets_tests.stand_ins.openai_server.answers import shown_document
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

ASK = "Can anyone recommend a good CRM for my small business?"
VECTORS = "SELECT count(*) FROM lead_assets.vectors"


@dataclass
class Shell:
    """Runs commands on a fresh database."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, code: int = 0, text: str | None = None) -> Result:
        result = CliRunner().invoke(main, list(arguments), env=self.environment, input=text, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def campaign(self, campaign_id: str = "shop_crm", **keys: object) -> None:
        content = {
            "name": "Shop CRM",
            "product": "A simple CRM for small businesses.",
            "keywords": ["crm"],
            "source": "archive",
            "archive": {"path": "../archive.ndjson", "as_of": "2026-06-30"},
        }
        (self.folder / "campaigns").mkdir(exist_ok=True)
        (self.folder / "campaigns" / f"{campaign_id}.yaml").write_text(yaml.safe_dump(content | keys))

    def archive(self, *things: dict[str, object]) -> None:
        write_archive(self.folder / "archive.ndjson", things)


def open_shell(folder: Path, database_url: str, servers: embedded.Servers, patch: pytest.MonkeyPatch) -> Shell:
    """A shell in ``folder``, with a campaign."""
    environment = {
        "DATABASE_URL": database_url,
        "TYPESENSE_URL": servers.typesense_url,
        "TYPESENSE_API_KEY": servers.typesense_api_key,
        "LEAD_ASSETS_HOME": str(folder / "home"),
        "LEAD_ASSETS_CAMPAIGNS": str(folder / "campaigns"),
        "COLUMNS": "160",
    }
    for name, value in (environment | {"DAGSTER_HOME": str(PROJECT)}).items():
        patch.setenv(name, value)
    patch.chdir(folder)
    made = Shell(folder, environment)
    made("up")
    made.campaign()
    return made


def run_shop(shell: Shell) -> None:
    """Run a campaign with a lead, a near miss, a rejected document, and a hostile one."""
    shell.archive(
        post(f"{ASK} Two of us.", "Budget is $40 a month.", name="t3_1lead", id="1lead"),
        post("I built a CRM, check it out", "Sign up today.", name="t3_1sell", id="1sell"),
        post(f"{ASK} Adult shop.", over_18=True, name="t3_1nsfw", id="1nsfw"),
        post("=1+1 [bold red]which CRM\x1b[31m do you recommend?[/]", "a | b", name="t3_1odd", id="1odd"),
    )
    shell("run", "shop_crm")


@pytest.fixture
def shell(tmp_path: Path, database_url: str, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return open_shell(tmp_path, database_url, servers, monkeypatch)


@pytest.fixture
def ran(shell: Shell) -> Shell:
    """A shell after one run, for tests that run more or change something."""
    run_shop(shell)
    return shell


@pytest.fixture(scope="module")
def ran_once(
    tmp_path_factory: pytest.TempPathFactory, new_database_url: Callable[[], str], servers: embedded.Servers
) -> Shell:
    with pytest.MonkeyPatch.context() as patch:
        shell = open_shell(tmp_path_factory.mktemp("shop"), new_database_url(), servers, patch)
        run_shop(shell)
    return shell


@pytest.fixture
def stored(ran_once: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell after the one run that all tests share that only look at what it stored."""
    monkeypatch.chdir(ran_once.folder)
    return ran_once


def test_run_prints_the_funnel_and_a_second_run_says_that_nothing_is_new(shell: Shell) -> None:
    shell.archive(post(ASK), post(ASK, over_18=True))
    first = shell("run", "shop_crm").output
    assert "Funnel of shop_crm" in first
    assert "rejected by nsfw" in first
    assert "Nothing new to do" not in first
    assert "shop_crm: Nothing new to do" in shell("run", "shop_crm").output


def test_run_as_json_is_for_programs(shell: Shell) -> None:
    shell.archive(post(ASK))
    outcome = json.loads(shell("run", "shop_crm", "--json").stdout)
    assert outcome["funnel"]["leads"] == 1
    assert outcome["warnings"] == []
    assert outcome["this_run"]["crawled_documents"]["judged"] == 1
    assert set(outcome["this_run"]) == {
        "crawled_documents",
        "typesense_index",
        "document_embeddings",
        "lead_stubs",
        "ranked_candidates",
        "extracted_leads",
        "leads",
        "announced_leads",
    }


def test_run_takes_source_path_day_and_settings_from_the_command_line(shell: Shell) -> None:
    shell.campaign("live", source="reddit", archive=None)
    archive = write_archive(shell.folder / "other.ndjson", [post(ASK, created_utc=1_370_000_000, upvote_ratio=0.2)])
    shell("run", "live", "--source", "archive", "--path", str(archive.name), "--as-of", "2013-08-20", "--set",
          "REDDIT_MIN_UPVOTE_RATIO=0.1")  # fmt: skip
    explained = json.loads(shell("explain", "live", str(_only_lead(shell, "live")), "--json").stdout)
    assert explained["crawl"]["judged_as_of"].startswith("2013-08-20T23:59:59")


def _only_lead(shell: Shell, campaign_id: str) -> str:
    (line,) = shell("leads", campaign_id, "--format", "jsonl").stdout.splitlines()
    return json.loads(line)["reddit_id"]


def test_leads_as_a_table_shows_the_reason_and_the_link_and_obeys_no_markup(stored: Shell) -> None:
    output = stored("leads", "shop_crm").output
    assert "Can anyone recommend a good CRM" in output
    assert "https://redd.it/1lead" in output
    assert "budget $40 a month" in output
    assert "[bold red]" in output
    assert "\x1b[31m" not in output
    assert "1sell" not in output


def test_leads_as_json_lines_and_csv_say_the_same(stored: Shell) -> None:
    lines = [json.loads(line) for line in stored("leads", "shop_crm", "--format", "jsonl").stdout.splitlines()]
    rows = list(csv.DictReader(io.StringIO(stored("leads", "shop_crm", "--format", "csv").stdout)))
    assert [line["reddit_id"] for line in lines] == [row["reddit_id"] for row in rows]
    assert {"t3_1lead", "t3_1odd"} == {row["reddit_id"] for row in rows}
    titles = {row["reddit_id"]: row["title"] for row in rows}
    assert titles["t3_1odd"].startswith("'=1+1")
    assert lines[0]["extracted_data"]["extractor"] == "rules"


def test_leads_can_be_cut_by_score_day_and_number(stored: Shell) -> None:
    assert len(stored("leads", "shop_crm", "--format", "jsonl", "--limit", "1").stdout.splitlines()) == 1
    assert stored("leads", "shop_crm", "--format", "jsonl", "--min-score", "1").stdout == ""
    assert stored("leads", "shop_crm", "--format", "jsonl", "--since", "2026-06-29").stdout == ""
    assert stored("leads", "shop_crm", "--format", "jsonl", "--since", "2026-05-01").stdout != ""


def test_candidates_as_ids_are_the_kept_ones_best_first(stored: Shell) -> None:
    ids = stored("candidates", "shop_crm", "--format", "ids").stdout.splitlines()
    rows = [json.loads(line) for line in stored("candidates", "shop_crm", "--format", "jsonl").stdout.splitlines()]
    assert ids == [row["reddit_id"] for row in rows]
    likely = [row["lead_probability"] for row in rows]
    assert likely == sorted(likely, reverse=True)
    assert "t3_1nsfw" not in ids
    assert "t3_1lead" in stored("candidates", "shop_crm").output


def test_explain_tells_each_gate_each_score_and_the_extraction_of_a_lead(stored: Shell) -> None:
    explained = json.loads(stored("explain", "shop_crm", "t3_1lead", "--json").stdout)
    assert explained["outcome"] == "qualified lead"
    gates = {row["gate"]: row for row in explained["gates"]}
    assert len(gates) == 11
    assert (gates["upvote_ratio"]["observed"], gates["upvote_ratio"]["threshold"]) == (0.9, 0.4)
    assert gates["upvote_ratio"]["outcome"] == "kept"
    assert gates["subreddit_activity"]["outcome"] == "off"
    assert gates["deduplication"]["outcome"].startswith("judged; a crawl within 168 hours skips it")
    contributions = sum(part["contribution"] for part in explained["score"]["components"].values())
    assert explained["score"]["fused_score"] == pytest.approx(min(1, contributions), abs=1e-6)
    assert explained["extraction"]["extraction"]["budget"] == "$40 a month"
    assert "Fused score" in stored("explain", "shop_crm", "t3_1lead").output


def test_explain_tells_the_gate_that_rejected_a_document_that_is_not_stored(stored: Shell) -> None:
    explained = json.loads(stored("explain", "shop_crm", "t3_1nsfw", "--json").stdout)
    assert explained["outcome"] == "rejected by nsfw"
    outcomes = {row["gate"]: row["outcome"] for row in explained["gates"]}
    assert outcomes["upvote_ratio"] == "kept"
    assert outcomes["nsfw"] == "rejected"
    assert outcomes["author_karma"] == "not reached"
    assert explained["score"] is None
    assert "rejected by nsfw" in stored("explain", "shop_crm", "t3_1nsfw").output


def test_explain_stays_true_through_a_second_crawl_and_a_changed_setting(ran: Shell) -> None:
    ran("run", "shop_crm")
    assert json.loads(ran("explain", "shop_crm", "t3_1nsfw", "--json").stdout)["outcome"] == "rejected by nsfw"
    ran.campaign(settings={"REDDIT_SKIP_NSFW": False})
    ran("run", "shop_crm")
    assert json.loads(ran("explain", "shop_crm", "t3_1nsfw", "--json").stdout)["outcome"] == "qualified lead"


def test_export_writes_all_tables(stored: Shell) -> None:
    stored("export", "shop_crm", "--to", "out")
    names = sorted(path.name for path in (stored.folder / "out").iterdir())
    assert names == ["candidates.csv", "leads.csv", "rejections.csv"]
    with (stored.folder / "out" / "rejections.csv").open(newline="") as file:
        assert "nsfw" in [row["gate"] for row in csv.DictReader(file)]
    stored("export", "shop_crm", "--to", "out", "--format", "jsonl")
    assert (stored.folder / "out" / "leads.jsonl").read_text().count("\n") == 2


def test_status_and_env_tell_programs_where_things_are(stored: Shell) -> None:
    status = json.loads(stored("status", "--json").stdout)
    assert status["campaigns"]["shop_crm"]["leads_found"] == 2
    exports = stored("env").stdout
    assert f"export DATABASE_URL={stored.environment['DATABASE_URL']}" in exports.replace("'", "")
    assert "TYPESENSE_API_KEY" in exports


def test_campaigns_are_listed_validated_and_made(shell: Shell) -> None:
    shell("campaigns", "new", "coffee", "--product", 'Coffee "beans": #1', "--keyword", '"coffee beans"', "--keyword",
          "espresso", "--archive", "archive.ndjson")  # fmt: skip
    listed = {row["id"]: row for row in json.loads(shell("campaigns", "list", "--json").stdout)}
    assert listed["coffee"]["campaign"]["product"] == 'Coffee "beans": #1'
    assert listed["coffee"]["campaign"]["keywords"] == ['"coffee beans"', "espresso"]
    assert "valid" in shell("campaigns", "validate").output
    (shell.folder / "campaigns" / "broken.yaml").write_text("name: x\nkeywords: []\n")
    output = shell("campaigns", "validate", code=2).output
    assert "broken.yaml" in output
    assert "1 of 3 campaign files are broken" in output
    assert "coffee" in shell("campaigns", "list").output


def test_a_new_campaign_asks_for_what_is_not_given(shell: Shell) -> None:
    shell("campaigns", "new", text="tea\nGreen tea.\ngreen tea, matcha\narchive\ndumps/x.zst\n")
    shell("campaigns", "new", text="coffee\nCoffee.\nespresso\n\nr/coffee, espresso\n")
    listed = {row["id"]: row["campaign"] for row in json.loads(shell("campaigns", "list", "--json").stdout)}
    assert listed["tea"]["keywords"] == ["green tea", "matcha"]
    assert listed["tea"]["archive"]["path"].endswith("dumps/x.zst")
    assert (listed["coffee"]["source"], listed["coffee"]["archive"]) == ("arctic_shift", None)
    assert listed["coffee"]["subreddits"]["include"] == ["coffee", "espresso"]


def test_a_new_campaign_gets_a_schedule_and_the_list_says_when_it_runs_next(shell: Shell) -> None:
    new = ["campaigns", "new", "tea", "--product", "Tea.", "--keyword", "tea", "--source", "arctic_shift",
           "--subreddit", "tea"]  # fmt: skip
    told = shell(*new, "--schedule", "30 8 * * *", "--timezone", "Europe/Berlin").stdout
    assert "lead-assets reload" in told
    (listed,) = [row for row in json.loads(shell("campaigns", "list", "--json").stdout) if row["id"] == "tea"]
    assert (listed["campaign"]["schedule"], listed["campaign"]["timezone"]) == ("30 8 * * *", "Europe/Berlin")
    shown = shell("campaigns", "list").output
    assert "08:30" in shown
    assert "by hand" in shown


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--schedule", "every day"], "is not a valid cron line of five fields"),
        (["--schedule", "0 8 * * *", "--timezone", "Berlin"], "is not a valid time zone"),
        (["--schedule", '"\n  evil: yes'], "is not a valid cron line"),
    ],
)
def test_a_schedule_that_cannot_be_is_told_and_no_file_is_left(shell: Shell, flags: list[str], sentence: str) -> None:
    new = ["campaigns", "new", "tea", "--product", "Tea.", "--keyword", "tea", "--source", "arctic_shift",
           "--subreddit", "tea"]  # fmt: skip
    assert sentence in " ".join(shell(*new, *flags, code=2).output.split())
    assert "tea" not in [row["id"] for row in json.loads(shell("campaigns", "list", "--json").stdout)]


def test_a_new_campaign_takes_no_other_file_s_place(shell: Shell) -> None:
    (shell.folder / "campaigns").mkdir(exist_ok=True)
    (shell.folder / "campaigns" / "tea.yml").write_text("name: Tea\nproduct: Tea.\nkeywords: [tea]\n")
    new = ["campaigns", "new", "tea", "--product", "Tea.", "--keyword", "tea"]
    assert "tea.yml exists already" in " ".join(shell(*new, "--source", "reddit", code=2).output.split())
    assert "Leave one of the two out" in shell(
        "campaigns", "new", "mate", "--product", "Mate.", "--keyword", "mate", "--source", "reddit",
        "--archive", "x.zst", code=2
    ).output  # fmt: skip


def test_up_prints_json(shell: Shell) -> None:
    found = json.loads(shell("up", "--json").stdout)
    assert (found["home"], found["schema"]) == (shell.environment["LEAD_ASSETS_HOME"], REVISION)


def test_reload_says_that_dagster_is_not_there(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_URL", "http://127.0.0.1:9")
    assert "Dagster does not answer at http://127.0.0.1:9" in shell("reload", code=2).output


def test_what_was_deleted_on_reddit_is_swept(ran: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus(posts=[{"id": "1lead", "title": ASK, "author": "somebody"}])
    with RedditServer(corpus) as reddit:
        for name, value in zip(
            ("REDDIT_URL", "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT"),
            (reddit.url, reddit.client_id, reddit.client_secret, "linux:lead.assets.tests:v1"),
            strict=True,
        ):
            monkeypatch.setenv(name, value)
        output = ran("sweep").output
        assert "4 documents checked with 2 requests to reddit; 3 are gone." in output
        assert json.loads(ran("sweep", "--json").stdout)["gone"] == 0
    for name in ("REDDIT_URL", "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT"):
        monkeypatch.delenv(name)
    with ArcticShiftServer() as arctic:
        monkeypatch.setenv("ARCTIC_SHIFT_URL", arctic.url)
        output = " ".join(ran("sweep").output.split())
        assert "1 documents checked with 1 requests to arctic_shift; 0 are gone. Of 1 it knows nothing." in output
        assert "Only Reddit itself knows" in output
    assert [row["reddit_id"] for row in csv.DictReader(io.StringIO(ran("leads", "shop_crm", "--format", "csv").stdout))
            ] == ["t3_1lead"]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "shop_crn"], "There is no campaign 'shop_crn'"),
        (["run", "../etc"], "There is no campaign '../etc'"),
        (["leads", "nobody"], "There is no campaign 'nobody'"),
        (["run", "shop_crm", "--path", "nothing.zst"], "There is no archive file at"),
        (["run", "shop_crm", "--as-of", "yesterday"], "'yesterday' is not a valid day"),
        (["run", "shop_crm", "--source", "reddit"], "needs REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET"),
        (["run", "shop_crm", "--source", "arctic_shift"], "subreddits"),
        (["sweep", "--source", "reddit"], "needs REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET"),
        (["run", "shop_crm", "--source", "usenet"], "There is no source 'usenet'"),
        (["run", "shop_crm", "--set", "MIN_KEYWORD_HITS=many"], "MIN_KEYWORD_HITS=many is not a value"),
        (["run", "shop_crm", "--set", "MIN_KEYWORD_HIT=1"], "There is no setting MIN_KEYWORD_HIT"),
        (["run", "shop_crm", "--set", "MIN_KEYWORD_HITS"], "has no value"),
        (["run", "shop_crm", "--set", "REDDIT_MIN_UPVOTE_RATIO=7"], "REDDIT_MIN_UPVOTE_RATIO is 7"),
        (["explain", "shop_crm", "t3_never"], "has not seen t3_never"),
        (["campaigns", "new", "Bad-Id"], "'Bad-Id' is not a valid campaign id"),
        (["campaigns", "new", "shop_crm"], "exists already"),
        (["export", "shop_crm", "--to", "/dev/null/x"], "cannot be written"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_code_2(shell: Shell, arguments: list[str], sentence: str) -> None:
    shell.archive(post(ASK))
    result = shell(*arguments, code=2)
    assert sentence in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def test_a_broken_campaign_file_names_file_line_and_fix(shell: Shell) -> None:
    (shell.folder / "campaigns" / "shop_crm.yaml").write_text("name: x\nproduct: y\nkeyword: [crm]\n")
    output = shell("run", "shop_crm", code=2).output
    assert "shop_crm.yaml" in output
    assert "keywords" in output


def test_servers_that_were_never_started_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"LEAD_ASSETS_HOME": str(tmp_path / "home"), "LEAD_ASSETS_CAMPAIGNS": str(tmp_path)}
    (tmp_path / "x.yaml").write_text("name: x\nproduct: y\nkeywords: [crm]\n")
    result = CliRunner().invoke(main, ["leads", "x"], env=environment)
    assert result.exit_code == 2
    assert result.output == "Error: No PostgreSQL is known. Run `lead-assets up`, or set DATABASE_URL.\n"


def test_an_out_of_date_schema_is_one_sentence(ran: Shell) -> None:
    engine = sa.create_engine(ran.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE lead_assets.alembic_version SET version_num = '0000'"))
    engine.dispose()
    result = ran("run", "shop_crm", code=2)
    assert "Run `lead-assets up`" in result.output


def test_a_run_that_fails_says_why_and_exits_with_1(shell: Shell) -> None:
    shell.archive(post(ASK))
    engine = sa.create_engine(shell.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE lead_assets.candidates ADD CHECK (fused_score > 2)"))
    engine.dispose()
    output = shell("run", "shop_crm", code=1).output
    assert "Error: PostgreSQL failed" in output
    assert "Traceback" not in output


def test_up_moves_the_index_of_all_campaigns_to_a_new_schema(ran: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from lead_assets.search import typesense as search

    monkeypatch.setattr(search, "FIELDS", (*search.FIELDS, {"name": "extra", "type": "string", "optional": True}))
    output = ran("up").output
    assert "Index of Typesense: lead_documents_" in output
    index = search.SearchIndex(ran.environment["TYPESENSE_URL"], ran.environment["TYPESENSE_API_KEY"])
    assert len(index.held("shop_crm", index.ensure())) == 3
    index.close()
    monkeypatch.undo()


def test_the_sample_campaigns_are_copied_without_overwriting(tmp_path: Path) -> None:
    from lead_assets.cli.running import copy_sample_campaigns
    from lead_assets.config.campaign_files import read_campaign

    ids = copy_sample_campaigns(tmp_path)
    assert ids == ["sample_crm", "sample_invoicing"]
    assert all(Path(read_campaign(tmp_path / f"{name}.yaml").archive.path).is_file() for name in ids)
    mine = (tmp_path / "sample_crm.yaml").read_text() + "# mine\n"
    (tmp_path / "sample_crm.yaml").write_text(mine)
    copy_sample_campaigns(tmp_path)
    assert (tmp_path / "sample_crm.yaml").read_text() == mine


def test_a_run_killed_after_the_crawl_loses_nothing(shell: Shell) -> None:
    """SIGKILL while texts are embedded: the next run finishes what is stored, and crawls nothing again."""
    count = 3 * BATCH
    shell.archive(*(post(f"{ASK} Shop {number}.", f"{number} " + "many words " * 30) for number in range(count)))

    found = kill_a_run(shell, VECTORS, once=1, before=count)
    outcome = json.loads(shell("run", "shop_crm", "--json").stdout)

    assert outcome["this_run"]["crawled_documents"]["judged"] == 0
    assert outcome["this_run"]["document_embeddings"]["embedded"] <= count - found
    assert outcome["funnel"]["stored"] == outcome["funnel"]["ranked"] == count
    assert outcome["funnel"]["extracted"] > 0


def kill_a_run(shell: Shell, stored: str, *, once: int, before: int) -> int:
    """Start a run in a process of its own, and kill it once the query ``stored`` counts ``once``, before ``before``;
    gives what it counted."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from lead_assets.cli import main; main()", "run", "shop_crm"],
        env=os.environ | shell.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    database = Database(shell.environment["DATABASE_URL"])
    try:
        deadline = time.monotonic() + 120
        found = 0
        while found < once and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            with database.connect() as connection:
                found = connection.scalar(sa.text(stored)) or 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert once <= found < before, "the run was to be killed in the middle of its work"
    finally:
        database.close()
    return found


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_killed_while_openai_embeds_pays_again_for_the_batches_under_way_only(
    shell: Shell, concurrency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, batch = 1_100, 128
    shell.archive(*(post(f"{ASK} Shop {number}.") for number in range(count)))
    with StandIn(latency=0.4) as openai:
        for name, value in {
            "OPENAI_BASE_URL": openai.url,
            "EMBEDDING_CONCURRENCY": str(concurrency),
            "EXTRACTOR": "rules",
        }.items():
            monkeypatch.setenv(name, value)
        kill_a_run(shell, VECTORS, once=batch, before=count)
        openai.latency = 0.0

        outcome = json.loads(shell("run", "shop_crm", "--json").stdout)

        sent = Counter(text for body in openai.bodies[EMBEDDINGS] for text in body["input"] if "Shop" in text)
    assert outcome["this_run"]["ranked_candidates"]["not_embedded"] == 0
    assert len(sent) == count
    under_way = concurrency if concurrency == 1 else concurrency + DECODING
    assert sent.total() - count <= under_way * batch
    assert max(sent.values()) <= 2


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_killed_while_openai_reads_pays_again_for_the_documents_under_way_only(
    shell: Shell, concurrency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 40
    subjects = ("plumbers", "bakers", "lawyers", "florists", "tailors")
    asked = [f"Can anyone recommend a good CRM for {subjects[number % 5]}, street {number}?" for number in range(count)]
    shell.archive(*(post(title, f"Shop {number}.", author=f"author{number}") for number, title in enumerate(asked)))
    with StandIn(latency=0.2) as openai:
        for name, value in {
            "OPENAI_BASE_URL": openai.url,
            "EMBEDDER": "local",
            "LLM_CONCURRENCY": str(concurrency),
        }.items():
            monkeypatch.setenv(name, value)
        kill_a_run(shell, "SELECT count(*) FROM lead_assets.extractions", once=10, before=count)
        openai.latency = 0.0

        outcome = json.loads(shell("run", "shop_crm", "--json").stdout)

        read = Counter(shown_document(body["messages"]) for body in openai.bodies[CHAT])
    assert outcome["funnel"]["extracted"] == len(read) == count
    assert read.total() - count <= concurrency
    assert max(read.values()) <= 2


def test_a_removed_campaign_leaves_nothing_and_another_its_texts(ran: Shell) -> None:
    ran.campaign("other")
    ran("run", "other")
    before = ran("leads", "other", "--format", "jsonl").stdout
    assert "for ever?" in ran("campaigns", "remove", "shop_crm", text="n\n").output
    assert (ran.folder / "campaigns" / "shop_crm.yaml").exists()

    removed = json.loads(ran("campaigns", "remove", "shop_crm", "--yes", "--json").stdout)

    assert removed["removed_rows"]["documents"] > 0
    assert not (ran.folder / "campaigns" / "shop_crm.yaml").exists()
    assert not (ran.folder / "home" / "rejections" / "shop_crm").exists()
    database = Database(ran.environment["DATABASE_URL"])
    with contextlib.closing(database), database.connect() as connection:
        for table in metadata.sorted_tables:
            if "campaign_id" in table.c:
                assert not connection.scalar(sa.select(sa.exists().where(table.c.campaign_id == "shop_crm"))), (
                    table.name
                )
    assert ran("leads", "other", "--format", "jsonl").stdout == before
    assert json.loads(ran("run", "other", "--json").stdout)["this_run"]["document_embeddings"]["embedded"] == 0
    assert "Neither a file nor anything stored" in ran("campaigns", "remove", "shop_crm", "--yes", code=2).output


def test_up_says_what_will_be_read_again_and_what_that_costs(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.archive(*(post(f"{ASK} Shop {number}.", author=f"author{number}") for number in range(3)))
    with StandIn() as openai:
        for name, value in {
            "OPENAI_BASE_URL": openai.url,
            "EMBEDDER": "local",
            "MODEL_PRICES": '{"gpt-4o-mini": [1000, 1000]}',
        }.items():
            monkeypatch.setenv(name, value)
        shell("run", "shop_crm")
        assert "stale" not in shell("up").output

        shell.campaign(product="Accounting for bakers.")
        announced = shell("up").output
    with contextlib.closing(Database(shell.environment["DATABASE_URL"])) as database, database.connect() as connection:
        paid = connection.scalar(sa.text("SELECT sum(cost_usd) FROM lead_assets.extractions"))
    assert "Campaign shop_crm: 3 readings are stale" in announced
    assert f"for about {paid:.2f} US dollars" in announced


def test_warnings_do_not_get_into_the_json(shell: Shell) -> None:
    shell.archive(*(post(f"{ASK} {number}", upvote_ratio=...) for number in range(3)))
    outcome = json.loads(shell("run", "shop_crm", "--json").stdout)
    assert outcome["warnings"] == [
        "crawled_documents, upvote_ratio: Unknown for 3 of the 3 documents that can have the value."
    ]


def test_malformed_records_are_told(shell: Shell) -> None:
    (shell.folder / "archive.ndjson").write_text(json.dumps(post(ASK)) + "\n{broken\n")
    assert "1 of 2 records could not be read (first: line 2" in shell("run", "shop_crm").output


def test_a_file_of_another_kind_is_no_success(shell: Shell) -> None:
    (shell.folder / "archive.ndjson").write_bytes(b"\x1f\x8b\x08" + bytes(100))
    assert "is compressed with gzip" in shell("run", "shop_crm", code=1).output
    (shell.folder / "archive.ndjson").write_text("hello\nworld\n")
    assert "Not one of the 2 records of" in shell("run", "shop_crm", code=1).output


def test_an_empty_archive_and_one_without_a_match_are_told(shell: Shell) -> None:
    # A campaign of its own: the tests share one index, and what others left of shop_crm there is work to do.
    shell.campaign("never_run_before")
    (shell.folder / "archive.ndjson").write_text("")
    assert "archive.ndjson is empty. Give a file of Reddit posts" in shell("run", "never_run_before", code=1).output
    shell.archive(post("Nothing of the kind"))
    assert "No record of the source matches" in shell("run", "never_run_before").output


def test_a_day_given_later_judges_again(shell: Shell) -> None:
    shell.campaign(archive={"path": "../archive.ndjson"})
    shell.archive(post(ASK, created_utc=1_370_000_000))
    assert json.loads(shell("run", "shop_crm", "--json").stdout)["funnel"]["leads"] == 0
    assert json.loads(shell("run", "shop_crm", "--as-of", "2013-08-20", "--json").stdout)["funnel"]["leads"] == 1


def test_what_the_campaign_leaves_out_later_is_no_lead_any_more(ran: Shell) -> None:
    before = json.loads(ran("run", "shop_crm", "--json").stdout)["funnel"]
    assert before["leads"] == 2
    for lists in (
        {"subreddits": {"exclude": ["SmallBusiness"]}},
        {"subreddits": {"include": ["sales"]}},
        {"exclude_authors": ["Somebody"]},
        {"negative_keywords": ["recommend"]},
        {"content": ["comments"]},
    ):
        ran.campaign(**lists)
        funnel = json.loads(ran("run", "shop_crm", "--json").stdout)["funnel"]
        assert funnel["leads"] == 0, lists
        assert funnel["excluded"] >= 2
        assert funnel["crawled"] == sum(funnel["rejected"].values()) + funnel["kept"] + funnel["excluded"]
        explained = json.loads(ran("explain", "shop_crm", "t3_1lead", "--json").stdout)
        assert explained["outcome"] == "excluded by the campaign's lists"
    ran.campaign()
    assert json.loads(ran("run", "shop_crm", "--json").stdout)["funnel"] == before


def test_a_schema_of_a_newer_version_is_told_by_up_too(ran: Shell) -> None:
    engine = sa.create_engine(ran.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE lead_assets.alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "A newer lead_assets made it" in ran("up", code=2).output


@pytest.mark.parametrize("scheme", ["postgres://", "postgresql+psycopg://"])
def test_any_common_form_of_the_database_url_works_for_all_commands(
    shell: Shell, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = shell.environment["DATABASE_URL"].replace("postgresql://", scheme)
    shell.environment["DATABASE_URL"] = url
    monkeypatch.setenv("DATABASE_URL", url)
    shell.archive(post(ASK))
    shell("run", "shop_crm")
    assert ASK in shell("leads", "shop_crm", "--format", "jsonl").stdout


def test_an_empty_table_is_exported_with_its_header(shell: Shell) -> None:
    shell("export", "shop_crm", "--to", "out")
    assert "reddit_id" in (shell.folder / "out" / "candidates.csv").read_text()
    assert "reddit_id" in (shell.folder / "out" / "rejections.csv").read_text()


def test_paths_that_look_like_markup_are_paths(stored: Shell) -> None:
    assert "out[/b]" in stored("export", "shop_crm", "--to", "out[/b]").output


def test_a_database_that_dies_during_a_run_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On servers of its own: the test kills PostgreSQL."""
    monkeypatch.setenv("DAGSTER_HOME", str(PROJECT))
    home = tmp_path / "home"
    shell = Shell(tmp_path, {"LEAD_ASSETS_HOME": str(home), "LEAD_ASSETS_CAMPAIGNS": str(tmp_path / "campaigns")})
    for name, value in shell.environment.items():
        monkeypatch.setenv(name, value)
    count = 4 * BATCH
    shell.campaign()
    shell.archive(*(post(f"{ASK} Shop {number}.") for number in range(count)))
    try:
        shell("up")
        with StandIn(latency=0.5) as openai:
            # A model that takes its time and no processor.
            for name, value in {
                "OPENAI_BASE_URL": openai.url,
                "EMBEDDING_CONCURRENCY": "1",
                "EXTRACTOR": "rules",
            }.items():
                monkeypatch.setenv(name, value)
            process = subprocess.Popen(
                [sys.executable, "-c", "from lead_assets.cli import main; main()", "run", "shop_crm"],
                env=os.environ | shell.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            _wait_for_vectors(embedded.read(home))
            (postgres,) = [server for server in embedded.status(home) if server.name == "postgres"]
            assert postgres.pid is not None
            os.kill(postgres.pid, signal.SIGKILL)
            _, said = process.communicate(timeout=120)
            openai.latency = 0.0
            assert process.returncode == 2
            assert "Error: PostgreSQL stopped answering during the run. What was committed stays." in said
            assert "Traceback" not in said
            shell("up")
            assert json.loads(shell("run", "shop_crm", "--json").stdout)["funnel"]["ranked"] == count
    finally:
        embedded.down(home)


def _wait_for_vectors(servers: embedded.Servers | None) -> None:
    assert servers is not None
    database = Database(servers.database_url)
    deadline = time.monotonic() + 120
    found = 0
    while not found and time.monotonic() < deadline:
        time.sleep(0.2)
        with database.connect() as connection:
            found = connection.scalar(sa.text(VECTORS)) or 0
    database.close()
    assert found
