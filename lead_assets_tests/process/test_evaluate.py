"""``lead-assets evaluate`` on real servers: the figures, which gate loses which lead, and that nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner, Result

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.schema import metadata
from lead_assets_tests.conftest import AS_OF, PROJECT, post, write_archive

ASK = "Can anyone recommend a good CRM for my small business?"
LEADS = [post(f"{ASK} We are {count} people.", name=f"t3_1ask{count}", id=f"1ask{count}") for count in range(3)]
NSFW = post(f"{ASK} Adult shop.", over_18=True, name="t3_1nsfw", id="1nsfw")
SELLER = post("I built a CRM, check it out", "Sign up today.", name="t3_1sell", id="1sell")
OTHER = post("My CRM crashed again", "Lost everything.", name="t3_1other", id="1other")
LABELS = {"t3_1ask0": 2, "t3_1ask1": 2, "t3_1nsfw": 2, "t3_1sell": 0, "t3_1other": 1, "t3_1gone": 2}


@dataclass
class Shell:
    """Runs commands on a database of its own and the shared index."""

    folder: Path
    environment: dict[str, str]
    index: SearchIndex
    engine: sa.Engine

    def __call__(self, *arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(each) for each in arguments], env=self.environment)
        assert result.exit_code == code, result.output
        return result

    def golden(self, name: str = "crm", things: Sequence[Mapping[str, Any]] = (), **keys: Any) -> Path:
        """A golden file with its archive beside it."""
        content = {"campaign": name, "product": "A simple CRM.", "keywords": ["crm"], "labels": LABELS}
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content | keys), encoding="utf-8")
        write_archive(self.folder / f"{name}.ndjson", things or [*LEADS, NSFW, SELLER, OTHER])
        return path

    def rows(self) -> dict[str, int]:
        """Rows of every table."""
        with self.engine.connect() as connection:
            return {
                table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                for table in metadata.sorted_tables
            }

    def campaigns(self) -> set[str]:
        """Campaigns with documents in Typesense or marked as under evaluation."""
        collection = self.index.current_collection()
        lines = self.index._client.collections[collection].documents.export({"include_fields": "campaign_id"})
        return {json.loads(line)["campaign_id"] for line in lines.splitlines() if line}

    def start(self, *arguments: object, in_background: bool = False) -> subprocess.Popen[str]:
        """A command in a process of its own; ``in_background`` as a shell's script starts one: it ignores Ctrl-C."""
        ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " if in_background else ""
        code = f"{ignored}from lead_assets.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=os.environ | self.environment,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_it_has_documents(self, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 240  # the machine may be busy
        while not self.rows()["documents"]:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def shell(tmp_path: Path, database_url: str, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "campaigns").mkdir()
    environment = {
        "DATABASE_URL": database_url,
        "TYPESENSE_URL": servers.typesense_url,
        "TYPESENSE_API_KEY": servers.typesense_api_key,
        "LEAD_ASSETS_HOME": str(tmp_path / "home"),
        "LEAD_ASSETS_CAMPAIGNS": str(tmp_path / "campaigns"),
        "COLUMNS": "160",
    }
    for name, value in (environment | {"DAGSTER_HOME": str(PROJECT)}).items():
        monkeypatch.setenv(name, value)
    index, engine = SearchIndex(servers.typesense_url, servers.typesense_api_key), sa.create_engine(database_url)
    made = Shell(tmp_path, environment, index, engine)
    made("up")
    yield made
    index.close()
    engine.dispose()


def test_the_figures_the_references_and_where_leads_are_lost(shell: Shell) -> None:
    answer = json.loads(shell("evaluate", shell.golden(), "--json").stdout)

    (found,) = answer["campaigns"]
    assert (found["documents"], found["labelled"], found["leads"]) == (6, 6, 4)
    ours = found["rankings"]["lead_assets"]
    assert ours["average_precision"] == 0.5  # two of four leads, at the first two places
    assert ours["lead_recall"] == 0.5
    assert list(found["rankings"]) == [
        "lead_assets",
        "text match",
        "cosine",
        "fused score",
        "log1p(text match) + 0.7 cosine",
    ]
    lost = {step["name"]: step for step in found["steps"] if step["lost"]}
    assert lost["crawled"]["lost"] == [{"reddit_id": "t3_1gone", "title": None}]
    assert lost["crawled"]["lead_recall"] == 0.75
    assert lost["nsfw"]["lost"] == [{"reddit_id": "t3_1nsfw", "title": NSFW["title"]}]
    assert lost["nsfw"]["lead_recall"] == 0.5
    assert list(lost) == ["crawled", "nsfw"]


def test_several_files_are_printed_each_and_their_mean(shell: Shell) -> None:
    first = shell.golden("crm", [*LEADS, SELLER], labels={"t3_1ask0": 2, "t3_1sell": 0})
    second = shell.golden("shop", [*LEADS, NSFW], labels={"t3_1nsfw": 2})

    output = shell("evaluate", first, second).output

    assert "crm: 4 documents, 2 labelled, 1 leads" in output
    assert "shop: 4 documents, 1 labelled, 1 leads, 3 kept" in output
    assert f"t3_1nsfw {NSFW['title']}" in output
    mean = output[output.index("Mean of 2 campaigns") :]
    assert "0.5000" in next(line for line in mean.splitlines() if "lead_assets" in line)


def test_only_the_documents_that_were_looked_through_count(shell: Shell) -> None:
    path = shell.golden(crawl=["t3_1ask0", "t3_1sell", "t3_1ask0"])
    (found,) = json.loads(shell("evaluate", path, "--json").stdout)["campaigns"]
    assert found["documents"] == 2


def test_the_age_gate_is_open_unless_it_is_set(shell: Shell) -> None:
    old = post(ASK, created_utc=1_200_000_000, name="t3_1old", id="1old")
    path = shell.golden(things=[old], labels={"t3_1old": 2})
    other = path.rename(path.with_name("other.json"))
    archive = shell.folder / "crm.ndjson"

    def recall(*options: str) -> float:
        answer = shell("evaluate", other, "--archive", archive, "--as-of", AS_OF, "--json", *options)
        return json.loads(answer.stdout)["mean"]["lead_assets"]["lead_recall"]

    assert recall() == 1.0
    assert recall("--set", "REDDIT_MAX_POST_AGE_MONTHS=18") == 0.0


def test_nothing_stays_and_nothing_of_others_goes(shell: Shell) -> None:
    """A campaign with one of the same texts keeps all its rows, that text's vector among them."""
    write_archive(shell.folder / "archive.ndjson", [LEADS[0]])
    campaign = {"name": "A", "product": "A CRM.", "keywords": ["crm"], "source": "archive"}
    campaign["archive"] = {"path": "../archive.ndjson", "as_of": AS_OF}  # type: ignore[assignment]
    (shell.folder / "campaigns" / "mine.yaml").write_text(yaml.safe_dump(campaign))
    shell("run", "mine")
    before = shell.rows()

    shell("evaluate", shell.golden())

    assert shell.rows() == before
    assert before["vectors"] > 1
    assert not [name for name in shell.campaigns() if name.startswith("evaluation_")]
    assert not (shell.folder / "home" / "rejections").exists() or not list(
        (shell.folder / "home" / "rejections").glob("evaluation_*")
    )


def test_vectors_stay_where_that_is_asked_for(shell: Shell) -> None:
    shell("evaluate", shell.golden(), "--keep-vectors")
    rows = shell.rows()
    assert rows["vectors"] >= 5
    assert not sum(count for name, count in rows.items() if name not in ("vectors", "text_features"))


def test_nothing_stays_of_an_evaluation_that_fails(shell: Shell) -> None:
    shell.environment |= {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "EMBEDDER": "openai", "OPENAI_RETRY_SECONDS": "0"}
    before = shell.rows()

    output = shell("evaluate", shell.golden(), code=1).output

    assert "127.0.0.1:9" in output
    assert shell.rows() == before
    assert not [name for name in shell.campaigns() if name.startswith("evaluation_")]


@pytest.mark.parametrize(("sent", "in_background"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_nothing_stays_of_an_evaluation_that_is_interrupted(
    shell: Shell, sent: signal.Signals, in_background: bool
) -> None:
    many = [post(f"{ASK} Number {number}.", f"{number} is my number. " * 60) for number in range(800)]
    process = shell.start("evaluate", shell.golden(things=[*many, *LEADS]), in_background=in_background)
    shell.until_it_has_documents(process)

    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert "Nothing of the evaluation stays" in errors
    assert not any(shell.rows().values())


def test_what_a_killed_evaluation_left_is_removed_by_the_next(shell: Shell) -> None:
    many = [post(f"{ASK} Number {number}.", f"{number} is my number. " * 60) for number in range(800)]
    process = shell.start("evaluate", shell.golden("big", things=[*many, *LEADS]))
    shell.until_it_has_documents(process)
    process.kill()
    process.communicate()
    assert shell.rows()["documents"] > 0

    errors = shell("evaluate", shell.golden()).stderr

    assert "Removed what an ended evaluation had left behind" in errors
    assert not any(shell.rows().values())
    assert not [name for name in shell.campaigns() if name.startswith("evaluation_")]


def test_a_living_evaluation_is_left_alone(shell: Shell) -> None:
    many = [post(f"{ASK} Number {number}.", f"{number} is my number. " * 60) for number in range(100)]
    process = shell.start("evaluate", shell.golden("big", things=[*many, *LEADS]), "--json")
    shell.until_it_has_documents(process)

    shell("evaluate", shell.golden())

    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert json.loads(output)["campaigns"][0]["documents"] == 103


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"campaign": "c", "product": "p", "keywords": ["crm"]}', "labels: Field required"),
        ('{"campaign": "c", "product": "p", "keywords": ["crm"], "labels": {}}', "labels: there are no labels"),
        ('{"campaign": "c", "product": "p", "keywords": ["crm"], "labels": {"t3_1ask0": 1}}', "no lead to find"),
        ('{"campaign": "c", "product": "p", "keywords": ["crm"], "labels": {"t3_zzz": 2}}', "holds none of the 1"),
        ('{"campaign": "c", "product": "p", "keywords": ["zebra"], "labels": {"t3_1ask0": 2}}', "holds none of the 1"),
    ],
)
def test_a_golden_file_that_is_none_is_told_in_one_sentence(shell: Shell, content: str | None, sentence: str) -> None:
    path = shell.golden()
    path.unlink() if content is None else path.write_text(content)
    output = shell("evaluate", path, code=2).output
    assert sentence in output
    assert "Traceback" not in output
    assert not any(shell.rows().values())


def test_a_golden_file_without_documents_says_how_to_give_them(shell: Shell) -> None:
    path = shell.golden().rename(shell.folder / "other.json")
    assert "Give it with --archive FILE" in shell("evaluate", path, code=2).output
    assert "There is no archive file at" in shell("evaluate", path, "--archive", "no.ndjson", code=2).output
    assert "there is no setting 'NO'" in shell("evaluate", shell.golden(), "--set", "NO=1", code=2).output


def test_the_graph_runs_under_models_of_the_other_campaigns(shell: Shell, tmp_path: Path) -> None:
    """Two campaigns that disagree about the same texts: what is learned from one misjudges the other."""
    opposite = {name: 0 if label == 2 else 2 for name, label in LABELS.items()}
    files = [shell.golden("one"), shell.golden("other", labels=opposite)]
    options = ["--leave-one-out", "--graph", "--json", "--set", "MIN_FUSED_SCORE_THRESHOLD=0"]
    left_out = json.loads(shell("evaluate", *files, *options, "--vectors", tmp_path / "vectors.npz").stdout)
    shipped = json.loads(shell("evaluate", *files, "--json", "--set", "MIN_FUSED_SCORE_THRESHOLD=0").stdout)
    ranked = [answer["campaigns"][0]["rankings"]["lead_assets"]["ndcg@10"] for answer in (left_out, shipped)]
    assert ranked[0] < ranked[1]
    assert set(left_out["mean_list"]) == {"recall", "precision", "gates_recall"}
    assert not any(shell.rows().values())
    shown = shell("evaluate", *files, "--leave-one-out", "--graph")
    assert "The gates keep" in shown.stdout
    assert "belongs to --leave-one-out" in shell("evaluate", files[0], "--graph", code=2).output
