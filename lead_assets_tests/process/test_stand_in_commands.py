"""The stand-ins as commands: ``python -m lead_assets_tests.reddit_server`` and the others."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from openai import OpenAI

from lead_assets_tests.conftest import PROJECT, comment, post
from lead_assets_tests.stand_ins.reddit_server import asking
from lead_assets_tests.stand_ins.test_arctic_shift_server import ids


def test_reddits_tells_how_to_use_it_and_stops_cleanly() -> None:
    command = [sys.executable, "-W", "error", "-m", "lead_assets_tests.reddit_server", "--sample"]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        started = [process.stdout.readline() for _ in range(6)]
        exports = dict(re.findall(r"export (\w+)=(\S+)", "".join(started)))
        assert list(exports) == ["REDDIT_URL", "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT"]
        status, _, content = asking.raw_at(exports["REDDIT_URL"], "/r/smallbusiness/new")
        assert status == 200
        assert content["data"]["dist"] > 10
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert "2 requests" in output
    assert re.search(r"1 new\b", output)


def test_arctic_shifts_serves_a_file(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.ndjson"
    corpus.write_text("\n".join(json.dumps(thing) for thing in (post("crm"), comment("crm"))), "utf-8")
    command = [sys.executable, "-m", "lead_assets_tests.arctic_shift_server", "--port", "0", "--corpus", str(corpus)]

    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            found = httpx.get(f"{url}/api/comments/search", params={"subreddit": "smallbusiness", "body": "crm"})
            known = httpx.get(f"{url}/api/subreddits/search", params={"subreddit": "smallbusiness"})
        finally:
            process.terminate()

    assert len(ids(found)) == 1
    assert known.json()["data"][0]["subscribers"] == 50_000


def test_openais_embeds_and_counts_what_was_asked() -> None:
    command = [sys.executable, "-m", "lead_assets_tests.openai_server", "--port", "0", "--dimension", "8"]

    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with OpenAI(base_url=url, api_key="any") as client:
                answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
            process.send_signal(signal.SIGINT)
            counted, _ = process.communicate(timeout=10)
        finally:
            process.kill()

    assert [len(each.embedding) for each in answer.data] == [8, 8]
    assert "embeddings': 1" in counted
    assert process.returncode == 0
