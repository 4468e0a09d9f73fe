"""What no person wrote: advertisements, AutoModerator and bots that say so."""

import time

import pytest

from lead_assets.domain.automation import automation_of


@pytest.mark.parametrize(
    "text",
    [
        "I am a bot, and this action was performed automatically.",
        "A CRM.\n\n*I am a bot.*",
        "^^I'm ^^a bot",
        "Beep boop, I'm a bot and count words",
        "> > (hi, i am just a bot that counts)",
        "Which CRM? " * 500 + "\n\n***I'm a bot***",
    ],
)
def test_a_bot_introduces_itself(text: str) -> None:
    assert automation_of({"body": text}) == automation_of({"selftext": text}) == "bots"


@pytest.mark.parametrize(
    "text",
    [
        "My boss thinks I am a bot. Which CRM do you use?",
        "I am a botanist. Which CRM?",
        "i am a bot fan",
        "Somebody said: am I a bot?",
    ],
)
def test_people_speak_of_bots(text: str) -> None:
    assert automation_of({"body": text}) is None


@pytest.mark.parametrize(
    "text",
    [
        "*" * 1_000 + " " * 990 + "bot",
        "\n" * 1_990 + "bot",
        "(" * 1_000 + "\t" * 990 + "bot",
        ("*" + " " * 79) * 24 + "bot",
        "* hi, " * 330 + "bot",
        "i am a bot " * 180,
    ],
)
def test_hostile_text_costs_little(text: str) -> None:
    start = time.process_time()
    automation_of({"body": text + text})
    assert time.process_time() - start < 1
