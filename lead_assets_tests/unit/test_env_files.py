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


IS_IGNORED = ", is ignored. Write NAME=value there, and close quotes that are open."
IS_BROKEN = ": LLM_MODEL is ignored, as a character in its value is none of UTF-8 or a NUL. Write it anew."


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"LLM_MODEL=secret\0x\n", f", line 1{IS_BROKEN}"),
        (b"\nLLM_MODEL=secret\xfc\n", f", line 2{IS_BROKEN}"),
        (b"# key\n\nLLM_MODEL: secret\n", f", line 3{IS_IGNORED}"),
        (b"LLM_MODEL='secret\n", f", line 1{IS_IGNORED}"),
        (b"LLM_MODEL\n", f", line 1{IS_IGNORED}"),
        (b'{"LLM_MODEL":"secret"}', f", line 1{IS_IGNORED}"),
        ("LLM_MODEL=secret\n".encode("utf-16"), " is not read, because it is not UTF-8. Save it as UTF-8."),
        (
            b"COSINE_TRESHOLD=secret",
            ", line 1: COSINE_TRESHOLD is not a setting of this program; did you mean COSINE_THRESHOLD?",
        ),
        (
            b"openai_api_ky=secret",
            ", line 1: openai_api_ky is not a setting of this program; did you mean OPENAI_API_KEY?",
        ),
        (b"HTTPS_PROXY=secret", ", line 1: HTTPS_PROXY is not a setting of this program; it is ignored."),
    ],
)
def test_a_line_that_cannot_be_used_is_told_without_its_value(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content if told.startswith(" is not") else content + b"\nEXTRACTOR=rules\n")
    variables, sentences = loaded(tmp_path)

    assert sentences == [f"{path}{told}"]
    assert variables == ({} if told.startswith(" is not") else {"EXTRACTOR": "rules"})


def test_a_file_of_something_else_is_told_in_a_few_sentences(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("X=1\n" * 1_000)

    assert loaded(tmp_path)[1][5:] == [f"{tmp_path / '.env'}: 995 more lines are ignored."]


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
