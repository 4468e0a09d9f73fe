"""README.md and docs/ say what is true: links lead somewhere, and lists are those of the code."""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest
import yaml

from lead_assets.api.inbox_routes import inbox_router
from lead_assets.api.routes import open_router, router
from lead_assets.cli import main
from lead_assets.definitions import defs
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.gate_catalog import GATES
from lead_assets.domain.settings import NAMES, UNSET_MEANS, Settings
from lead_assets_tests.conftest import PROJECT

DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("lead_assets/sample/*.md")])
README_LINES = 120
_CODE = re.compile(r"^(?:```.*?^```|(?:    |\t).*?)$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
_ROW = re.compile(
    r"^\| *`(?P<name>[A-Z_]+)` *\| *(?P<default>[^|]*?) *\|(?: *`\w+` *\|)? *(?P<meaning>[^|]*?) *\|$", re.M
)


def read(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def links(text: str) -> list[str]:
    """The addresses of the links and pictures in ``text``; what stands in code is not a link."""
    return _LINK.findall(_CODE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of ``text``."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = next(n for n in range(len(found) + 1) if (f"{slug}-{n}" if n else slug) not in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found


def broken_links(document: Path) -> list[str]:
    """The relative links of ``document`` that lead nowhere."""
    broken: list[str] = []
    for link in links(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize(
    "link", ["missing.md", "other.md#no-such-heading", "#nowhere", "folder/", "other.md#in-a-block", "other.md#twice-2"]
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str) -> None:
    (tmp_path / "other.md").write_text("# A `title`, with 2 marks!\n\n## Twice\n\n## Twice\n\n```\n# in a block\n```\n")
    good = "[a](other.md) [b](other.md#a-title-with-2-marks) [c](https://example.org/x) [d](other.md#twice-1)"
    (tmp_path / "one.md").write_text(f"{good} `[x](code.md)`\n\n    [y](code.md)\n\n[z]({link})\n")
    assert broken_links(tmp_path / "one.md") == [link]


def test_the_readme_is_short_and_links_every_document() -> None:
    assert len(read("README.md").splitlines()) <= README_LINES
    linked = {unquote(link).partition("#")[0] for link in links(read("README.md"))}
    assert {f"docs/{path.name}" for path in PROJECT.glob("docs/*.md")} - linked == set()


def test_every_picture_is_shown_somewhere() -> None:
    shown = {Path(link).name for document in DOCUMENTS for link in links(document.read_text(encoding="utf-8"))}
    assert {path.name for path in PROJECT.glob("docs/*.png")} - shown == set()


def test_every_setting_is_documented_with_its_default_and_a_meaning() -> None:
    rows = {row["name"]: row for row in _ROW.finditer(read("docs/settings.md"))}
    assert set(NAMES) - set(rows) == set()
    for name, field in Settings.model_fields.items():
        row = rows[name.upper()]
        unset = UNSET_MEANS.get(name.upper())
        written = {None: unset, "": "none"}.get(field.default, str(field.default))
        assert row["default"] == written, name.upper()
        assert len(row["meaning"]) > 10, name.upper()


def test_the_documented_settings_exist() -> None:
    settings = read("docs/settings.md").partition("## Environment variables")[0]
    assert {row["name"] for row in _ROW.finditer(settings)} - set(NAMES) == set()


def test_the_gates_are_listed_in_their_order() -> None:
    names = [gate.name for gate in GATES]
    table = read("README.md").partition("## The graph and its gates")[2]
    assert [name for name in re.findall(r"`(\w+)`", table) if name in names] == names
    documented = re.findall(r"^\| `\w+` \| [^|]+ \| `(\w+)` \|", read("docs/settings.md"), re.MULTILINE)
    assert list(dict.fromkeys(documented)) == names


def test_the_assets_are_listed() -> None:
    table = read("README.md").partition("## The graph and its gates")[2]
    assets = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == assets


def test_every_key_of_a_campaign_file_is_documented_and_the_example_is_valid() -> None:
    text = read("docs/campaigns.md")
    example = re.search(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert example is not None
    campaign = Campaign(id="example", **yaml.safe_load(example[1]))
    keys = set(Campaign.model_fields) - {"id"}
    assert campaign.model_fields_set - {"id"} == keys
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == keys


def commands(group: click.Group, before: str = "") -> list[str]:
    """The commands of ``group`` and of the groups in it, such as ``campaigns new``."""
    context = click.Context(group)
    found: list[str] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found += commands(command, f"{before}{name} ") if isinstance(command, click.Group) else [f"{before}{name}"]
    return found


def test_every_command_is_documented() -> None:
    table = "\n".join(line for line in read("docs/cli.md").splitlines() if line.startswith("| `"))
    known = commands(main)
    assert "campaigns new" in known
    for command in known:
        first, _, second = command.partition(" ")
        row = next((line for line in table.splitlines() if re.search(rf"[` ]{first}\b", line.split(" | ")[0])), None)
        assert row is not None, command
        assert re.search(rf"\b{second}\b", row), command


def test_every_request_of_the_api_is_documented() -> None:
    text = read("docs/api.md")
    routes: list[Any] = [*router.routes, *inbox_router.routes, *open_router.routes]
    asked = [f"`{method} {route.path}`" for route in routes for method in route.methods]
    assert asked
    assert [request for request in asked if re.sub(r"\{\w+\}", "{id}", request) not in text] == []


def test_every_package_that_is_installed_by_name_is_listed_with_its_licence() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {match[0] for each in requirements if (match := re.match(r"[A-Za-z0-9._-]+", each))}
    licences = dict(re.findall(r"^\| `([\w.-]+)` \| ([^|]+?) \|$", read("THIRD_PARTY.md"), re.MULTILINE))
    assert {name for name in names if not licences.get(name)} == set()
