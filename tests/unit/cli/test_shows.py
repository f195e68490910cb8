"""Verbs that show what is there: as tables, YAML, JSON, templates, and for people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kitfast import aio
from kitfast.kitfile.model import Code, Kitfile, Model, Package
from kitfast.modelkit.cache import Damage, Folder
from kitfast.oci.descriptor import Descriptor

from .conftest import Fake, Run

D = "sha256:" + "ab" * 32
KITFILE = Kitfile(
    manifest_version="1.0",
    package=Package(name="tiny"),
    model=Model(path="model.bin", digest=D, diff_id=D),
    code=(Code(path="src"),),
)
KIT = aio.KitSummary("r.example/a", D, ("v1", "v2"), "tiny", "me", 14848)
BARE = aio.KitSummary("", D, (), "", "", 5)


def test_list_as_a_table(api: Fake, run: Run) -> None:
    call = api("list_kits", [KIT, BARE])
    about = f"me           tiny     14.5 KiB   {D}"
    assert run("list").out == (
        "REPOSITORY    TAG      MAINTAINER   NAME     SIZE       DIGEST\n"
        f"r.example/a   v1       {about}\n"
        f"r.example/a   v2       {about}\n"
        f"<none>        <none>   <none>       <none>   5 B        {D}\n"
    )
    assert call.args == (None,)
    assert "progress" not in call.kwargs


def test_list_of_nothing(api: Fake, run: Run) -> None:
    api("list_kits", [])
    assert run("list").out == "REPOSITORY   TAG   MAINTAINER   NAME   SIZE   DIGEST\n"
    assert run("list", "--format", "json").out == "[]\n"
    assert run("list", "--format", "{{ .Repo }}").out == ""


def test_list_as_json(api: Fake, run: Run) -> None:
    api("list_kits", [BARE, KIT])
    out = run("list", "--format", "json").out
    assert out.startswith('[\n  {\n    "repo": "\\u003cnone\\u003e",\n')
    assert json.loads(out) == [
        {
            "repo": "<none>",
            "digest": D,
            "tags": None,
            "modelName": "<none>",
            "size": "5 B",
            "author": "<none>",
        },
        {
            "repo": "r.example/a",
            "digest": D,
            "tags": ["v1", "v2"],
            "modelName": "tiny",
            "size": "14.5 KiB",
            "author": "me",
        },
    ]


def test_list_by_template(api: Fake, run: Run) -> None:
    call = api("list_kits", [KIT, BARE])
    assert run("list", "r.example/a", "--format", "{{ .Repo }} {{ .Tags }}").out == (
        "r.example/a [v1 v2]\n<none> []\n"
    )
    assert call.args == ("r.example/a",)
    call.args = ()
    ended = run("list", "--format", "{{ .Repository }}")
    assert (ended.status, ended.out, call.args) == (1, "", ())


def test_what_strangers_wrote_cannot_drive_the_terminal(api: Fake, run: Run) -> None:
    api("list_kits", [replace(KIT, author="\x1b[31mme")])
    assert "\x1b" not in run("list").out


def test_info(api: Fake, run: Run) -> None:
    call = api("info", KITFILE)
    assert run("info", "a").out == (
        'manifestVersion: "1.0"\npackage:\n  name: tiny\nmodel:\n  path: model.bin\n'
        "code:\n  - path: src\n"
    )
    assert (call.args, call.kwargs["remote"]) == (("a",), False)
    assert run("info", "a", "--filter", "code").out == "- path: src\n"
    assert run("info", "a", "-f", ".Package.name", "-r").out == "tiny\n"
    assert call.kwargs["remote"] is True
    ended = run("info", "a", "-f", "weights")
    assert (ended.status, ended.out) == (1, "")


def test_info_as_json(api: Fake, run: Run) -> None:
    api("info", KITFILE)
    found = json.loads(run("info", "a", "--format", "json").out)
    assert found["model"] == {"path": "model.bin", "digest": D, "diffId": D}
    assert json.loads(run("info", "a", "--format", "json", "-f", "CODE").out) == [{"path": "src"}]
    assert run("info", "a", "--format", "json", "-f", "model.name").out == "null\n"


def test_cache(api: Fake, run: Run, home: Path) -> None:
    folder = Folder("contents", 2, 4096)
    call = api("cache_info", aio.CacheInfo(str(home), 1, (folder,), 4096))
    assert run("cache", "info").out == (f"{home}: 1 kit, 4.0 KiB\n  contents   2 files   4.0 KiB\n")
    assert call.kwargs == {"home": home}
    assert run("cache", "info", "--config", "/k", "-v").status == 0
    assert call.kwargs == {"home": Path("/k")}
    for verb in ("prune", "clear"):
        api(f"cache_{verb}", aio.Freed(2048))
        assert run("cache", verb).out == "2.0 KiB free again\n"


def test_damage_is_a_failure(api: Fake, run: Run) -> None:
    api("cache_verify", aio.CacheVerified(3, 4096, ()))
    assert run("cache", "verify") == (0, "Checked 3 blobs, 4.0 KiB: none damaged\n", "")
    api("cache_verify", aio.CacheVerified(3, 4096, (Damage(D, "a flipped bit", ("a:v1",)),)))
    ended = run("cache", "verify")
    assert ended == (
        1,
        f"damaged: {D} of a:v1: a flipped bit\nChecked 3 blobs, 4.0 KiB: 1 damaged\n",
        "",
    )
    assert run("cache", "verify", "--format", "json").status == 1


def test_a_group_alone_or_with_a_wrong_verb(run: Run) -> None:
    assert "  verify  Read and check every byte of the local store." in run("cache", "--help").out
    ended = run("cache", "polish")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: no such command 'polish'")
    assert ended.err.endswith("hint: see `kitfast cache --help`\n")
    ended = run("cache")
    assert (ended.status, ended.err) == (
        1,
        "error: missing command\nhint: see `kitfast cache --help`\n",
    )


def test_diff(api: Fake, run: Run) -> None:
    first = Descriptor("application/vnd.kitops.modelkit.model.v1.tar", D, 2048)
    second = Descriptor("application/vnd.oci.other", D, 1)
    same = aio.Difference(D, D, True, True, True, (first,), (), ())
    call = api("diff", same)
    assert run("diff", "a", "remote://b").out == f"a and remote://b are the same kit, {D}\n"
    assert call.args == ("a", "remote://b")
    api("diff", replace(same, identical=False, same_config=False, only_second=(second,)))
    assert run("diff", "a", "b").out == (
        f"first:   a ({D})\nsecond:  b ({D})\nKitfile: differs\nannotations: the same\n\n"
        f"in both: 1 layer, 2.0 KiB\n  model.v1.tar   2.0 KiB   {D}\n\n"
        "only in the first: 0 layers, 0 B\n\n"
        f"only in the second: 1 layer, 1 B\n  application/vnd.oci.other   1 B   {D}\n"
    )
    shown = json.loads(run("diff", "a", "b", "--format", "json").out)
    assert shown["shared"] == [{"mediaType": first.media_type, "digest": D, "size": 2048}]
