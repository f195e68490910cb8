"""Holds the documents to the code: verbs, variables, functions, and their links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kitfast
from kitfast import settings
from kitfast.cli.commands import NAMES

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted({README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")})


def test_every_verb_is_in_the_readme() -> None:
    listed = re.findall(r"^\| `kitfast ([a-z]+)", README.read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)


def test_every_variable_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "environment.md").read_text("utf-8")
    source = Path(settings.__file__).read_text("utf-8")
    variables = set(re.findall(r"\"((?:KITFAST|KITOPS)_[A-Z_]+)\"", source))
    assert len(variables) > 10
    assert sorted(name for name in variables if f"`{name}`" not in page) == []
    # And nothing is promised that nothing reads.
    assert set(re.findall(r"`(KITFAST_[A-Z_]+)`", page)) <= variables


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_functions_exist(page: Path) -> None:
    called = set(re.findall(r"\bkitfast\.([a-zA-Z_]+)\(", page.read_text("utf-8")))
    assert sorted(name for name in called if not hasattr(kitfast, name)) == []
