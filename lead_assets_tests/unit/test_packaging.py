"""What is installed comes from registries, by name and version: a fresh machine has nothing else."""

import re
import tomllib

from lead_assets_tests.conftest import PROJECT

PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+")
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[a-z0-9,_-]+\])?(?P<versions>[^;@]*)(;.+)?")
COMPARISON = re.compile(r"(==|>=|<=|<|>|~=|!=)\s*[A-Za-z0-9.!+_-]+")


def pins() -> list[str]:
    text = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def requirements() -> list[str]:
    content = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = content["project"].get("optional-dependencies", {})
    of_extras = [requirement for extra in extras.values() for requirement in extra]
    return [*content["build-system"]["requires"], *content["project"]["dependencies"], *of_extras]


def test_each_line_of_the_constraints_is_a_name_and_a_version() -> None:
    assert pins()
    assert [line for line in pins() if not PIN.fullmatch(line)] == []


def test_no_package_is_pinned_twice() -> None:
    names = [re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in pins()]
    assert len(names) == len(set(names))


def test_each_requirement_is_a_name_with_versions_and_never_an_address() -> None:
    for requirement in requirements():
        found = REQUIREMENT.fullmatch(requirement)
        assert found, requirement
        parts = [part.strip() for part in found["versions"].split(",") if part.strip()]
        assert parts, f"{requirement}: any version would do"
        assert all(COMPARISON.fullmatch(part) for part in parts), requirement


def test_each_requirement_is_pinned() -> None:
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in pins()}
    build = {"setuptools"}  # pip builds in an environment of its own
    for requirement in requirements():
        found = REQUIREMENT.fullmatch(requirement)
        assert found
        assert re.sub(r"[-_.]+", "-", found["name"]).lower() in pinned | build, requirement
