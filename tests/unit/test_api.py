"""The public API: every name is there, in both forms, and imported only when used."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import kitfast
from kitfast import aio


@pytest.mark.parametrize("name", aio.__all__)
def test_every_name_is_there_in_both_forms(name: str) -> None:
    awaitable, blocking = getattr(aio, name), getattr(kitfast, name)
    if inspect.iscoroutinefunction(awaitable):
        assert inspect.signature(blocking) == inspect.signature(awaitable)
        assert not inspect.iscoroutinefunction(inspect.unwrap(blocking, stop=lambda _: True))
    else:
        assert blocking is awaitable


def test_both_forms_have_the_same_names() -> None:
    assert set(kitfast.__all__) == set(aio.__all__)


@pytest.mark.parametrize("module", [kitfast, aio])
def test_another_name_is_an_attribute_error(module: object) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        module.nonsense  # noqa: B018


def test_importing_costs_nothing() -> None:
    program = (
        "import sys, kitfast, kitfast.aio\n"
        "print([name for name in sys.modules if name.startswith('kitfast.modelkit.')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"
