"""Writing files whole: the old or the new, never a part of either, and nothing left beside them."""

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lead_assets.files import PRIVATE, PROGRAM, PUBLIC, replacing, write_whole


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("old")
    return tmp_path / "file"


def beside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_a_file_is_made_or_replaced(path: Path) -> None:
    write_whole(path, "new é\r\n")
    write_whole(path.parent / "other", "new")
    assert path.read_bytes() == "new é\r\n".encode()
    assert beside(path) == ["file", "other"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_the_old_file_and_nothing_beside_it(
    path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), replacing(path) as file:  # noqa: PT012  what was written before the error is the claim
        file.write("half of")
        raise error
    assert path.read_text() == "old"
    assert beside(path) == ["file"]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(path, "x" * 50_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "old"
    assert beside(path) == ["file"]


def test_a_killed_process_leaves_the_old_file(path: Path) -> None:
    script = f"""
        import os, signal
        from pathlib import Path
        from lead_assets.files import replacing
        with replacing(Path({str(path)!r})) as file:
            file.write("half of")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_a_folder_in_the_file_s_place_is_an_error_and_stays(path: Path) -> None:
    folder = path.parent / "folder"
    (folder / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_whole(folder, "new")
    assert beside(path) == ["file", "folder"]


@pytest.mark.parametrize("mode", [PRIVATE, PUBLIC, PROGRAM])
def test_a_file_has_its_mode_while_it_is_written_whatever_the_old_one_had(path: Path, mode: int) -> None:
    path.chmod(0o777)
    umask = os.umask(0o022)
    try:
        with replacing(path, mode=mode) as file:
            (unfinished,) = set(path.parent.iterdir()) - {path}
            written = stat.S_IMODE(unfinished.stat().st_mode)
            file.buffer.write(b"\x00\xff")
    finally:
        os.umask(umask)
    assert written == stat.S_IMODE(path.stat().st_mode) == mode & ~0o022
    assert path.read_bytes() == b"\x00\xff"
