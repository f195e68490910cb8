"""Tests filters: their grammar, and what they mean of a kit."""

from __future__ import annotations

import pytest

from kitfast.errors import InvalidArgument
from kitfast.kitfile.filter import parse_filters
from kitfast.kitfile.model import Code, Dataset, Docs, Kitfile, Model, ModelPart, Prompt

KITFILE = Kitfile(
    model=Model(name="tiny", path="m.bin", parts=(ModelPart(name="lora", path="./l.bin"),)),
    code=(Code(path="src"),),
    datasets=(Dataset(name="data", path="d.csv"), Dataset(path="e.csv")),
    docs=(Docs(path="README.md"),),
    prompts=(Prompt(name="hello", path="p.txt"),),
)


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        ([], ["m.bin", "./l.bin", "src", "d.csv", "e.csv", "README.md", "p.txt"]),
        (["model"], ["m.bin", "./l.bin"]),
        (["model:tiny"], ["m.bin"]),
        (["model:lora"], ["./l.bin"]),
        (["model:l.bin"], ["./l.bin"]),
        (["model:./l.bin,m.bin"], ["m.bin", "./l.bin"]),
        (["model:config.json,code"], []),
        (["datasets"], ["d.csv", "e.csv"]),
        (["datasets:data"], ["d.csv"]),
        (["datasets:"], []),
        (["docs,code"], ["src", "README.md"]),
        (["docs", "prompts:hello"], ["README.md", "p.txt"]),
        (["kitfile"], []),
        (["code:nothere"], []),
    ],
)
def test_what_filters_mean(filters: list[str], paths: list[str]) -> None:
    parsed = parse_filters(filters)
    found = [entry.path for kind, entry in KITFILE.entries() if parsed.matches(kind, entry)]
    assert found == paths
    assert [entry.path for _, entry in parsed.apply(KITFILE).entries()] == paths
    assert parsed.kitfile == (not filters or "kitfile" in filters)


def test_layer_without_an_entry_is_found_by_its_path() -> None:
    filters = parse_filters(["model:w.bin"])
    assert filters.matches("model", None, "w.bin")
    assert not filters.matches("model", None, "x.bin")
    assert not filters.matches("docs", None, "w.bin")
    assert not filters.matches("model", None)


def test_only_the_model_is_taken_of_a_parent() -> None:
    everything = parse_filters([]).for_parent()
    assert everything is not None
    assert everything.matches("model", None)
    assert not everything.matches("code", None)
    assert not everything.kitfile
    assert parse_filters(["docs", "code,kitfile"]).for_parent() is None
    some = parse_filters(["model,code:tiny", "docs"]).for_parent()
    assert some is not None
    assert some.matches("model", Model(name="tiny"))
    assert not some.matches("modelpart", ModelPart(name="other"))
    assert not some.matches("code", Code(path="tiny"))


@pytest.mark.parametrize("text", ["", "nonsense", "model,", "dataset", "model:a:b", "Model"])
def test_bad_filter_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_filters([text])
    assert caught.value.hint
