"""Lists and inspections in the shapes kit gives them, as JSON and for templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kitfast.cli.render.machine import dumps
from kitfast.cli.render.units import size

if TYPE_CHECKING:
    from kitfast import aio

NONE = "<none>"


def kit_list(kits: Sequence[aio.KitSummary]) -> str:
    """`list --format json`, with kit's keys (kit 1.7)."""
    return dumps([kit_fields(kit) for kit in kits])


def kit_fields(kit: aio.KitSummary) -> dict[str, Any]:
    """One kit of a list, as kit shows it; a kit without tags has null, not an empty list."""
    return {
        "repo": kit.repository or NONE,
        "digest": kit.digest,
        "tags": list(kit.tags) or None,
        "modelName": kit.name or NONE,
        "size": size(kit.size),
        "author": kit.author or NONE,
    }


def template_fields(kit: aio.KitSummary) -> dict[str, Any]:
    """One kit of a list under the names kit's templates use."""
    named = kit_fields(kit)
    return {
        "Repo": named["repo"],
        "Digest": kit.digest,
        "Tags": list(kit.tags),
        "ModelName": named["modelName"],
        "Size": named["size"],
        "Author": named["author"],
    }


def inspection(found: aio.Inspection) -> str:
    """`inspect`, with kit's keys (kit 1.7)."""
    from kitfast.kitfile.json import to_value

    return dumps(
        {
            "digest": found.digest,
            "cliVersion": found.cli_version,
            "kitfile": to_value(found.kitfile),
            "manifest": found.manifest.to_json(),
        }
    )
