"""Each verb: what its flags become in the API's call, and how its result looks."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kitfast import aio
from kitfast.errors import NotFound
from kitfast.kitfile.model import Code, Kitfile, Model, Package
from kitfast.settings import Network

from .conftest import Fake, Run

D = "sha256:" + "ab" * 32
LAYER = aio.PackedLayer("m", D, D, 10, "model.bin", False)
PACKED = aio.Packed(D, ("r.example/a:v1",), (LAYER,), 2048)
PUSHED = aio.Pushed(D, ("r.example/a:v1",), 2, 4096, 1024, 3072)
PULLED = aio.Pulled(D, ("r.example/a:v1",), 2, 4096, 4096, 0)
UNPACKED = aio.Unpacked(D, "out", 1, 4096, 2, 1024, 0, True)
KITFILE = Kitfile(
    manifest_version="1.0",
    package=Package(name="tiny"),
    model=Model(path="model.bin", digest=D, diff_id=D),
    code=(Code(path="src"),),
)


def test_pack(api: Fake, run: Run, home: Path) -> None:
    call = api("pack", PACKED)
    ended = run(
        "pack", "dir", "-f", "K", "-t", "a:v1,v2", "--tag", "b", "--compression", "gzip-fastest",
        "--layer-format", "raw", "--use-model-pack", "--follow-links", "--allow-empty",
        "--no-cache",
    )  # fmt: skip
    assert ended.out == f"Packed {D} as r.example/a:v1 (1 layer, 2.0 KiB)\n"
    assert (ended.status, ended.err, call.args) == (0, "", ("dir",))
    progress = call.kwargs.pop("progress")
    assert callable(progress)
    assert call.kwargs == {
        "kitfile": "K",
        "tags": ["a:v1,v2", "b"],
        "compression": "gzip-fastest",
        "layer_format": "raw",
        "use_model_pack": True,
        "follow_links": True,
        "allow_empty": True,
        "cache": False,
        "home": home,
        "network": Network(),
    }


def test_warnings_go_to_standard_error(api: Fake, run: Run) -> None:
    api("pack", replace(PACKED, references=(), warnings=("a link\x07 was left out",)))
    ended = run("pack", ".")
    assert ended.out == f"Packed {D} (1 layer, 2.0 KiB)\n"
    assert ended.err == "warning: a link\\x07 was left out\n"
    assert run("pack", ".", "--log-level", "error").err == ""


def test_push_and_pull(api: Fake, run: Run, home: Path) -> None:
    push = api("push", PUSHED)
    assert run("push", "a", "r.example/a:v1", "--plain-http").out == (
        f"Pushed {D} to r.example/a:v1 (2 layers, 4.0 KiB; 1.0 KiB sent, 3.0 KiB were there)\n"
    )
    assert push.args == ("a", "r.example/a:v1")
    assert push.kwargs["network"] == Network(plain_http=True)
    assert (run("push", "a").status, push.args) == (0, ("a", None))
    pull = api("pull", PULLED)
    assert run("pull", "r.example/a:v1").out == (
        f"Pulled {D} as r.example/a:v1 (2 layers, 4.0 KiB; 4.0 KiB fetched)\n"
    )
    assert (pull.args, pull.kwargs["home"]) == (("r.example/a:v1",), home)


def test_progress_none_gives_the_verb_no_callback(api: Fake, run: Run) -> None:
    call = api("pull", PULLED)
    assert run("pull", "r.example/a", "--progress", "none").status == 0
    assert call.kwargs["progress"] is None


def test_unpack(api: Fake, run: Run) -> None:
    call = api("unpack", UNPACKED)
    ended = run("unpack", "a", "-d", "out", "-o", "-f", "model", "--filter=docs:x", "--link", "-r",
                "--include", "*.json", "--include=w/**", "--exclude", "*.bin")  # fmt: skip
    assert ended.out == f"Unpacked {D} to out (1 file, 4.0 KiB; 2 files kept; 1.0 KiB fetched)\n"
    assert call.args == ("a", "out")
    for name, value in {
        "overwrite": True,
        "ignore_existing": False,
        "filters": ["model", "docs:x"],
        "link": True,
        "remote": True,
        "include": ["*.json", "w/**"],
        "exclude": ["*.bin"],
    }.items():
        assert call.kwargs[name] == value
    assert run("unpack", "a", "-i").status == 0
    assert (call.args, call.kwargs["ignore_existing"]) == (("a", "."), True)
    assert (call.kwargs["remote"], call.kwargs["filters"]) == (None, [])


def test_kits_older_filters(api: Fake, run: Run) -> None:
    call = api("unpack", UNPACKED)
    assert run("unpack", "a", "--model", "--kitfile=true", "--docs=false").status == 0
    assert call.kwargs["filters"] == ["kitfile", "model"]


def test_tag_and_remove(api: Fake, run: Run) -> None:
    tag = api("tag", aio.Tagged(D, "b:v1"))
    assert run("tag", "a", "b:v1").out == f"Tagged {D} as b:v1\n"
    assert tag.args == ("a", "b:v1")
    remove = api("remove", aio.Removed(("a:v1", "a:v2"), (D,), ("a:v3: not here",), 4096))
    ended = run("remove", "a:v1,v2,v3", "-f")
    assert ended.out == "Removed a:v1\nRemoved a:v2\n4.0 KiB free again\n"
    assert ended.err == "warning: a:v3: not here\n"
    assert remove.args == ("a:v1,v2,v3",)
    assert remove.kwargs["force"] is True
    api("remove", aio.Removed((), ()))
    assert run("remove", "-a").out == "Nothing to remove\n"


@pytest.mark.parametrize("words", ["-r -f a", "-r -a", "--remote=true --all"])
def test_remote_goes_with_neither_all_nor_force(words: str, api: Fake, run: Run) -> None:
    call = api("remove", aio.Removed((), ()))
    ended = run("remove", *words.split())
    assert (ended.status, call.kwargs) == (1, {})
    assert "--remote does not go with --all or --force" in ended.err


def test_serve(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: dict[str, Any] = {}

    async def serve(*, ready: Callable[[aio.Serving], None], **given: Any) -> None:
        called.update(given)
        ready(aio.Serving("127.0.0.1:7", str(home)))

    monkeypatch.setattr(aio, "serve", serve)
    assert run("serve", "--port", "7").out == (f"Serving {home} at 127.0.0.1:7; stop with Ctrl-C\n")
    assert called == {"host": "127.0.0.1", "port": 7, "home": home}


def test_init(api: Fake, run: Run) -> None:
    call = api("init", aio.Initialized("dir/Kitfile", KITFILE, "manifestVersion: 1.0.0\n"))
    ended = run("init", "dir", "--name", "n", "--desc", "d", "--force")
    assert ended.out == "manifestVersion: 1.0.0\n\nWritten to dir/Kitfile\n"
    assert call.args == ("dir",)
    assert call.kwargs == {"name": "n", "description": "d", "author": "", "force": True}


def test_login_with_a_password_from_standard_input(
    api: Fake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = api("login", aio.LoggedIn("r.example", "me"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret\n"))
    ended = run("login", "r.example", "-u", "me", "--password-stdin")
    assert ended == (0, "Logged in to r.example as me\n", "")
    assert call.args == ("r.example", "me", "s3cret")


def test_login_warns_of_a_password_others_can_see(api: Fake, run: Run) -> None:
    call = api("login", aio.LoggedIn("r.example", "me"))
    ended = run("login", "r.example", "-u", "me", "-p", "s3cret")
    assert call.args == ("r.example", "me", "s3cret")
    assert ended.err == (
        "warning: others on this machine can see --password; --password-stdin hides it\n"
    )
    assert "s3cret" not in ended.out + ended.err


def test_login_asks_on_a_terminal(api: Fake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    call = api("login", aio.LoggedIn("r.example", "me"))
    stdin = io.StringIO("me\n")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    asked: list[str] = []
    monkeypatch.setattr(
        "getpass.getpass", lambda prompt, stream=None: asked.append(prompt) or "s3cret"
    )
    ended = run("login", "r.example")
    assert (ended.out, ended.err) == ("Logged in to r.example as me\n", "Username: ")
    assert asked == ["Password: "]
    assert call.args == ("r.example", "me", "s3cret")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-u me", "no password given"),
        ("-u me", "hint: add --password-stdin\n"),
        ("", "no username given"),
        ("", "hint: add --username USER and --password-stdin\n"),
        ("-p x", "hint: add --username USER\n"),
        ("--password-stdin", "--password-stdin needs --username"),
        ("-u me -p x --password-stdin", "exclude each other"),
        ("-u me --password-stdin", "holds no password"),
    ],
)
def test_login_without_enough_to_go_on(
    words: str, message: str, api: Fake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = api("login", aio.LoggedIn("r.example", "me"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    ended = run("login", "r.example", *words.split())
    assert (ended.status, call.args) == (1, ())
    assert message in ended.err


def test_logout(api: Fake, run: Run) -> None:
    api("logout", aio.LoggedOut("r.example", True))
    assert run("logout", "r.example").out == "Logged out of r.example\n"
    api("logout", aio.LoggedOut("r.example", False))
    assert run("logout", "r.example").out == "Not logged in to r.example\n"


@pytest.mark.parametrize(
    ("words", "verb", "result"),
    [
        ("pack .", "pack", PACKED),
        ("push a", "push", PUSHED),
        ("pull a", "pull", PULLED),
        ("unpack a", "unpack", UNPACKED),
        ("tag a b", "tag", aio.Tagged(D, "b")),
        ("remove a", "remove", aio.Removed(("a",), (D,))),
        ("logout r", "logout", aio.LoggedOut("r", True)),
        ("init d", "init", aio.Initialized("d/Kitfile", KITFILE, "x")),
    ],
)
def test_json_is_the_dataclass(words: str, verb: str, result: Any, api: Fake, run: Run) -> None:
    api(verb, result)
    ended = run(*words.split(), "--format", "json")
    assert (ended.status, ended.err) == (0, "")
    assert list(json.loads(ended.out)) == list(type(result).__dataclass_fields__)


def test_a_failure_leaves_standard_output_empty(api: Fake, run: Run) -> None:
    api("pull", NotFound("r/a: not there", hint="look again"))
    assert run("pull", "r/a", "--format", "json") == (
        1,
        "",
        "error: r/a: not there\nhint: look again\n",
    )
