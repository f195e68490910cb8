"""Go templates for lists: the known part works as in Go, the rest is refused."""

from __future__ import annotations

import pytest

from kitfast.cli.render.template import Template
from kitfast.errors import InvalidArgument

KIT = {
    "Repo": "reg.example/a",
    "Digest": "sha256:00",
    "Tags": ["v1", "v2"],
    "ModelName": "tiny",
    "Size": "14.5 KiB",
    "Author": "me",
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .Repo }}@{{.Digest}}", "reg.example/a@sha256:00\n"),
        ("{{ .Tags }}", "[v1 v2]\n"),
        ("{{ len .Tags }} {{ index .Tags 1 }}", "2 v2\n"),
        ("{{range .Tags}}{{.}};{{end}}", "v1;v2;\n"),
        ('{{ join .Tags ", " }}', "v1, v2\n"),
        ("{{if .Tags}}tagged{{else}}bare{{end}}", "tagged\n"),
        ("{{with .Author}}by {{.}}{{end}}", "by me\n"),
        ("a  {{- .Size -}}  b", "a14.5 KiBb\n"),
        ("{{/* note */}}{{ .Size }}\n", "14.5 KiB\n"),
        ('{{ "a\\tb" }}{{ `c\\t` }}', "a\tbc\\t\n"),
        ("plain } text", "plain } text\n"),
        ("", "\n"),
    ],
)
def test_filling(template: str, expected: str) -> None:
    assert Template(template).fill(KIT) == expected


def test_a_kit_without_tags() -> None:
    bare = KIT | {"Tags": []}
    assert Template("{{.Tags}}{{if .Tags}}x{{else}}-{{end}}{{range .Tags}}x{{end}}").fill(bare) == (
        "[]-\n"
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Repository }}",
        "{{ .Repo",
        "{{ }}",
        "{{ if .Tags }}",
        "{{ end }}",
        "{{ else }}",
        "{{ printf .Repo }}",
        "{{ .Repo .Tags }}",
        "{{ len }}",
        "{{ index .Tags }}",
        "{{ .Repo | len }}",
    ],
)
def test_what_is_not_known_is_refused_before_anything_is_asked(template: str) -> None:
    with pytest.raises(InvalidArgument, match="--format"):
        Template(template)


@pytest.mark.parametrize(
    "template",
    ["{{ index .Tags 2 }}", "{{ range .Repo }}{{ end }}", "{{range .Tags}}{{.Repo}}{{end}}",
     "{{ index .Repo 0 }}", "{{ join .Repo .Tags }}"],
)  # fmt: skip
def test_what_does_not_fit_the_kit_is_refused(template: str) -> None:
    with pytest.raises(InvalidArgument, match="--format"):
        Template(template).fill(KIT)
