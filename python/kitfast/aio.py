"""The awaitable API: every verb as a coroutine function, and what it returns.

Progress goes to the callback given as `progress`, called on the loop's thread.
Cancelling the task stops the verb within a second; what it did can be resumed.

A verb's module is imported when the verb is first asked for: a command line that lists
kits should not wait for all that a pull needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitfast.errors import KitfastError
    from kitfast.kitfile.model import Kitfile
    from kitfast.modelkit.bench import Benchmarked, bench
    from kitfast.modelkit.cache import (
        CacheInfo,
        CacheVerified,
        Freed,
        cache_clear,
        cache_info,
        cache_prune,
        cache_verify,
    )
    from kitfast.modelkit.diff import Difference, diff
    from kitfast.modelkit.info import info
    from kitfast.modelkit.init import Initialized, init
    from kitfast.modelkit.inspect import Inspection, inspect
    from kitfast.modelkit.list import KitSummary, list_kits
    from kitfast.modelkit.locate import Located, locate
    from kitfast.modelkit.login import LoggedIn, LoggedOut, login, logout
    from kitfast.modelkit.open import KitFile, open
    from kitfast.modelkit.pack import Packed, PackedLayer, pack
    from kitfast.modelkit.preview import Preview, PreviewedLayer, preview
    from kitfast.modelkit.pull import Pulled, pull
    from kitfast.modelkit.push import Pushed, push
    from kitfast.modelkit.remove import Removed, remove
    from kitfast.modelkit.resolve import Forgotten, Resolved, forget, resolve
    from kitfast.modelkit.serve import Serving, serve
    from kitfast.modelkit.signature import Signed, verify_signature
    from kitfast.modelkit.tag import Tagged, tag
    from kitfast.modelkit.unpack import Unpacked, unpack
    from kitfast.modelkit.version import Version, version
    from kitfast.progress import Progress
    from kitfast.settings import Network
    from kitfast.transfer.account import Flow

_MODULES = {
    "kitfast.errors": ("KitfastError",),
    "kitfast.kitfile.model": ("Kitfile",),
    "kitfast.modelkit.bench": ("Benchmarked", "bench"),
    "kitfast.modelkit.cache": (
        "CacheInfo",
        "CacheVerified",
        "Freed",
        "cache_clear",
        "cache_info",
        "cache_prune",
        "cache_verify",
    ),
    "kitfast.modelkit.diff": ("Difference", "diff"),
    "kitfast.modelkit.info": ("info",),
    "kitfast.modelkit.init": ("Initialized", "init"),
    "kitfast.modelkit.inspect": ("Inspection", "inspect"),
    "kitfast.modelkit.list": ("KitSummary", "list_kits"),
    "kitfast.modelkit.locate": ("Located", "locate"),
    "kitfast.modelkit.login": ("LoggedIn", "LoggedOut", "login", "logout"),
    "kitfast.modelkit.open": ("KitFile", "open"),
    "kitfast.modelkit.pack": ("Packed", "PackedLayer", "pack"),
    "kitfast.modelkit.preview": ("Preview", "PreviewedLayer", "preview"),
    "kitfast.modelkit.pull": ("Pulled", "pull"),
    "kitfast.modelkit.push": ("Pushed", "push"),
    "kitfast.modelkit.remove": ("Removed", "remove"),
    "kitfast.modelkit.resolve": ("Forgotten", "Resolved", "forget", "resolve"),
    "kitfast.modelkit.serve": ("Serving", "serve"),
    "kitfast.modelkit.signature": ("Signed", "verify_signature"),
    "kitfast.modelkit.tag": ("Tagged", "tag"),
    "kitfast.modelkit.unpack": ("Unpacked", "unpack"),
    "kitfast.modelkit.version": ("Version", "version"),
    "kitfast.progress": ("Progress",),
    "kitfast.settings": ("Network",),
    "kitfast.transfer.account": ("Flow",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Benchmarked",
    "CacheInfo",
    "CacheVerified",
    "Difference",
    "Flow",
    "Forgotten",
    "Freed",
    "Initialized",
    "Inspection",
    "KitFile",
    "KitSummary",
    "KitfastError",
    "Kitfile",
    "Located",
    "LoggedIn",
    "LoggedOut",
    "Network",
    "Packed",
    "PackedLayer",
    "Preview",
    "PreviewedLayer",
    "Progress",
    "Pulled",
    "Pushed",
    "Removed",
    "Resolved",
    "Serving",
    "Signed",
    "Tagged",
    "Unpacked",
    "Version",
    "bench",
    "cache_clear",
    "cache_info",
    "cache_prune",
    "cache_verify",
    "diff",
    "forget",
    "info",
    "init",
    "inspect",
    "list_kits",
    "locate",
    "login",
    "logout",
    "open",
    "pack",
    "preview",
    "pull",
    "push",
    "remove",
    "resolve",
    "serve",
    "tag",
    "unpack",
    "verify_signature",
    "version",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kitfast.aio' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
