"""Verbs that show what is there: as tables, YAML, JSON, templates, and for people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kitfast import aio
from kitfast.kitfile.model import Code, Kitfile, Model, Package
from kitfast.modelkit.cache import Damage, Folder
from kitfast.modelkit.ceilings import Rate
from kitfast.modelkit.link import Link
from kitfast.oci.descriptor import Descriptor
from kitfast.settings import Network

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


def test_bench(api: Fake, run: Run, home: Path) -> None:
    machine = (Rate("disk write", 2 << 20, 0.5, 4 << 20), Rate("hash", 1 << 20, 1.0, 1 << 20))
    call = api("bench", aio.Benchmarked("/disk", 2, machine, None))
    ended = run("bench", "--dir", "/disk", "--size", "2MiB", "--seconds", "3")
    assert ended.out == (
        "This machine (2 cores), in /disk:\n"
        "  disk write   4.0 MiB/s   2.0 MiB in 0.50 s\n"
        "  hash         1.0 MiB/s   1.0 MiB in 1.00 s\n"
    )
    assert callable(call.kwargs.pop("progress"))
    assert call.args == (None,)
    assert call.kwargs == {
        "folder": "/disk",
        "size": 2 << 20,
        "seconds": 3,
        "home": home,
        "network": Network(),
    }


def test_bench_of_a_link(api: Fake, run: Run) -> None:
    link = Link("r.example/a:v1", D, 0.0123, False, 8, (Rate("one stream", 1 << 20, 2.0, 1 << 19),))
    call = api("bench", aio.Benchmarked("/disk", 1, (Rate("hash", 1, 1.0, 1),), link))
    out = run("bench", "r.example/a:v1", "--plain-http").out
    assert out == (
        "This machine (1 core), in /disk:\n"
        "  hash   1 B/s   1 B in 1.00 s\n"
        "\n"
        "The link to r.example/a:v1:\n"
        "  first byte   12.3 ms       to wait\n"
        "  one stream   512.0 KiB/s   1.0 MiB in 2.00 s\n"
        "  The registry knows no ranges: a layer is one stream.\n"
    )
    assert call.args == ("r.example/a:v1",)
    assert call.kwargs["network"] == Network(plain_http=True)
    shown = json.loads(run("bench", "r.example/a:v1", "--format", "json").out)
    assert shown["link"]["first_byte"] == 0.0123
    assert shown["machine"][0] == {"name": "hash", "size": 1, "seconds": 1.0, "rate": 1}
