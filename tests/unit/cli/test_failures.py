"""What goes wrong is one `error:` line and at most one `hint:`, safe to print."""

from __future__ import annotations

import pytest

from kitfast.cli import failures
from kitfast.errors import AuthenticationFailed, KitfastError


def told(error: BaseException, capsys: pytest.CaptureFixture[str], verbosity: int = 0) -> str:
    failures.tell(error, verbosity=verbosity)
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_an_error_with_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(KitfastError("it broke", hint="mend it"), capsys) == (
        "error: it broke\nhint: mend it\n"
    )
    assert told(AuthenticationFailed("no"), capsys).startswith("error: no\nhint: log in with")


def test_no_hint_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(KitfastError("it broke"), capsys) == "error: it broke\n"


def test_what_strangers_wrote_cannot_drive_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = KitfastError("tag \x1b[2J\x07\x9b2J\nerror: forged", hint="a\r\x00b")
    assert told(error, capsys) == (
        "error: tag \\x1b[2J\\x07\\x9b2J error: forged\nhint: a \\x00b\n"
    )


def test_system_errors_name_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    error = PermissionError(13, "Permission denied", "/x/y")
    assert told(error, capsys) == (
        "error: /x/y: Permission denied\nhint: check that it is there and may be used\n"
    )


def test_a_fault_of_ours_asks_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    message, hint = told(ZeroDivisionError("oops"), capsys).splitlines()
    assert message == "error: unexpected ZeroDivisionError: oops"
    assert hint.startswith("hint: this is a fault in kitfast; please report it with the output")


@pytest.mark.parametrize(
    ("error", "needed"), [(KitfastError("known"), 2), (ZeroDivisionError("fault"), 1)]
)
def test_tracebacks_are_for_those_who_ask(
    error: Exception, needed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)) as caught:
        raise error
    assert "Traceback" not in told(caught.value, capsys, needed - 1)
    assert "Traceback" in told(caught.value, capsys, needed)
