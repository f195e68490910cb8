"""Holds our configs and Kitfiles to the bytes kit writes, case by case."""

from __future__ import annotations

import pytest
from tests.support.golden import Case, cases

from kitfast.errors import InvalidKitfile
from kitfast.kitfile import json as kitfile_json
from kitfast.kitfile.parser import parse
from kitfast.oci import digest

CASES = cases()
# Two spellings of one path: kit packs this and then cannot unpack it.
REFUSED_BY_US = {"same path twice, spelled apart"}
# The file is not there: only packing can tell.
READABLE = {"missing file"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_config_has_kits_bytes(case: Case) -> None:
    if (case.refused and case.name not in READABLE) or case.name in REFUSED_BY_US:
        with pytest.raises(InvalidKitfile):
            parse(case.kitfile)
        return
    kitfile = parse(case.kitfile)
    if case.name in READABLE:
        return
    recorded = kitfile_json.from_bytes(case.config)
    digests = [(entry.digest, entry.diff_id) for _, entry in recorded.entries()]
    written = kitfile_json.to_bytes(kitfile.with_digests(digests))
    assert written == case.config
    assert digest.of(written) == case.kit["config"]["digest"]


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.refused], ids=lambda case: case.name
)
def test_config_survives_reading_and_writing(case: Case) -> None:
    assert kitfile_json.to_bytes(kitfile_json.from_bytes(case.config)) == case.config
