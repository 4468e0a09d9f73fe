"""Texts that nobody thought of neither stop a run nor come before somebody who asks."""

from typing import Any

import pytest

from lead_assets.storage.candidates import read_candidates
from lead_assets.storage.leads import read_qualified
from lead_assets_tests.conftest import World, checks, metadata, post

CLEAR = "Can anyone recommend a simple CRM for my small business?"
LINK = "[crm](https://example.com/crm?crm=crm&utm=can-anyone-recommend-a-crm)"
ASKING_WORDS = "recommend suggest looking for anyone help need want best crm track clients? "
ODD: dict[str, tuple[str, str]] = {
    "emoji": ("crm 😀😀😀", "🤖" * 500),
    "code": ("CRM", "\n".join(["    SELECT crm FROM clients WHERE recommend = 'crm' -- can anyone?"] * 60)),
    "fenced": (
        "CRM error",
        "```python\nimport crm\nfor client in crm.track(clients):\n    raise Help('need crm')\n```\n" * 20,
    ),
    "quote": (
        "A CRM story",
        "\n".join(["> Can anyone recommend a simple CRM for my small business?"] * 5 + ["No idea, I sell shoes."]),
    ),
    "table": ("CRM prices", "|crm|price|\n|:--|--:|\n" + "|track clients|$40|\n" * 200),
    "links": ("crm", "\n".join([LINK] * 100)),
    "german": ("CRM gesucht", "Kann jemand ein einfaches CRM für kleine Unternehmen empfehlen? Wir sind zu dritt."),
    "japanese": ("おすすめの CRM は？", "小さな会社です。顧客管理に困っています。" * 20),
    "arabic": ("\u202eCRM\u202c", "هل يمكن لأحد أن يوصي بنظام crm؟ " * 10),
    "stuffed": ("crm " * 60, ASKING_WORDS * (40_000 // len(ASKING_WORDS))),
    "long": ("My CRM", "word " * 8_000),
    "unbroken": ("crm", "a" * 40_000),
    "zero width": ("c\u200brm crm", "\u200b" * 10_000),
    "combining": ("crm", "e" + "\u0301" * 20_000),
    "brackets": ("crm", "(" * 20_000),
    "spaces": ("crm", "a" + " \n\t" * 13_000 + "b"),
    "markup": ("<script>alert(1)</script> crm", "&amp;lt;b&amp;gt; crm {{7*7}} %s %(x)s \\N"),
}


def things() -> dict[str, dict[str, Any]]:
    """The odd texts by name, each of an author of its own, as posts."""
    return {name: post(title, body, author=f"odd_{place}") for place, (name, (title, body)) in enumerate(ODD.items())}


def test_odd_texts_go_through_and_none_comes_before_somebody_who_asks(world: World) -> None:
    odd = things()
    clear = [
        post(CLEAR, "There are three of us.", author="ann"),
        post("Which CRM do you use for a small business?", "We lose track of clients.", author="bob"),
        post("Looking for a CRM", "I need something simple to track clients. Any suggestions?", author="cat"),
    ]
    world.archive(*odd.values(), *clear)

    result = world.run(world.campaign())

    assert metadata(result, "ranked_candidates")["ranked"] == len(ODD) + len(clear)
    assert all(
        checks(result)[name].passed for name in ("index_matches_documents", "embeddings_complete", "leads_complete")
    )
    names = {thing["name"]: name for name, thing in odd.items()}
    with world.database.connect() as connection:
        best = read_candidates(connection, "crm")["reddit_id"].tolist()
        leads = [lead["reddit_id"] for lead in read_qualified(connection, "crm")]
    first = best[: len(clear)]
    # Who asks in German asks all the same; nobody else of them does.
    assert {names.get(each, "clear") for each in first} <= {"clear", "german"}
    assert {names.get(each, "clear") for each in leads[: len(clear)]} <= {"clear", "german"}
    assert not {"quote", "code", "fenced"} & {names.get(each) for each in leads}
    assert {thing["name"] for thing in clear} <= set(best[: len(clear) + 1])
    scores = world.rows("SELECT fused_score, cosine_similarity, lexical FROM lead_assets.candidates")
    assert all(0 <= value <= 1 for row in scores for name, value in row.items() if name != "cosine_similarity")


@pytest.mark.parametrize("name", sorted(ODD))
def test_an_odd_text_alone_is_ranked_and_read(world: World, name: str) -> None:
    """Alone, so that what breaks is told by its name."""
    world.archive(things()[name])
    result = world.run(world.campaign(settings={"COSINE_THRESHOLD": -1, "MIN_FUSED_SCORE_THRESHOLD": 0}))
    assert metadata(result, "ranked_candidates")["kept"] == 1
    assert metadata(result, "extracted_leads")["extracted"] == 1
    assert metadata(result, "extracted_leads")["failed"] == 0
