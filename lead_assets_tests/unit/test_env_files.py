"""Files named ``.env``: whose are read, and what they may set."""

import inspect
import os
import re
from pathlib import Path

import pytest

from lead_assets.config import env_files
from lead_assets.config.env_files import KNOWN
from lead_assets.config.environment import Environment


def loaded(*folders: Path, **before: str) -> tuple[dict[str, str], list[str]]:
    variables, told = dict(before), list[str]()
    env_files.load(folders, variables, told.append)
    return variables, told


def test_known_names_are_set_and_others_are_told_and_left_out(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-1\nLD_PRELOAD=/tmp/x.so\nexport LLM_MODEL='a b'\n")

    variables, told = loaded(tmp_path)

    assert variables == {"OPENAI_API_KEY": "sk-1", "LLM_MODEL": "a b"}
    assert "LD_PRELOAD" in told[0]


def test_what_is_set_stays_and_the_first_folder_comes_first(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".env").write_text(f"LLM_MODEL={name}\nEXTRACTOR={name}\nOPENAI_API_KEY=${{HOME}}\n")

    variables, _ = loaded(tmp_path / "one", tmp_path / "two", EXTRACTOR="rules")

    assert variables == {"EXTRACTOR": "rules", "LLM_MODEL": "one", "OPENAI_API_KEY": "${HOME}"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_another_users_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("OPENAI_BASE_URL=http://attacker.example\n")
    os.chown(path, 65534, 65534)

    assert loaded(tmp_path) == ({}, [f"{path} is not read, because it belongs to another user."])


def test_a_file_that_everybody_may_write_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LLM_MODEL=x\n")
    (tmp_path / ".env").chmod(0o666)

    assert loaded(tmp_path)[0] == {}


def test_a_fifo_and_a_folder_do_not_stop_the_command(tmp_path: Path) -> None:
    for name, make in (("fifo", os.mkfifo), ("folder", os.mkdir)):
        (tmp_path / name).mkdir()
        make(tmp_path / name / ".env")
        variables, told = loaded(tmp_path / name)
        assert (variables, len(told)) == ({}, 1)


def test_no_file_is_no_matter(tmp_path: Path) -> None:
    assert loaded(tmp_path) == ({}, [])


def test_whatever_the_environment_reads_may_stand_in_a_file() -> None:
    read = re.findall(r"given(?:\.get\(|, )\"(\w+)\"", inspect.getsource(Environment.read))
    assert "DATABASE_URL" in read
    assert set(read) <= KNOWN
