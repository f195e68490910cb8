"""Moves model weights through OCI registries as fast as machine and network allow.

The verbs block until they are done; `kitfast.aio` has the same ones to await:

    import kitfast

    kitfast.pack("my-model", tags=["registry.example/team/my-model:v1"])
    kitfast.push("registry.example/team/my-model:v1")
    kitfast.unpack("registry.example/team/my-model:v1", "somewhere")

Everything is imported on first use, so that `import kitfast` costs nothing: not even
`typing`, which would take half as long as Python to start.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for True whatever is said here
if TYPE_CHECKING:
    from typing import Any

    from kitfast.aio import (
        Benchmarked,
        CacheInfo,
        CacheVerified,
        Difference,
        Flow,
        Forgotten,
        Freed,
        Initialized,
        Inspection,
        KitfastError,
        KitFile,
        Kitfile,
        KitSummary,
        Located,
        LoggedIn,
        LoggedOut,
        Network,
        Packed,
        PackedLayer,
        Preview,
        PreviewedLayer,
        Progress,
        Pulled,
        Pushed,
        Removed,
        Resolved,
        Serving,
        Signed,
        Tagged,
        Unpacked,
        Version,
    )
    from kitfast.blocking import (
        bench,
        cache_clear,
        cache_info,
        cache_prune,
        cache_verify,
        diff,
        forget,
        info,
        init,
        inspect,
        list_kits,
        locate,
        login,
        logout,
        open,
        pack,
        preview,
        pull,
        push,
        remove,
        resolve,
        serve,
        tag,
        unpack,
        verify_signature,
        version,
    )

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
    if name == "__version__":
        return import_module("kitfast._core").__version__
    if name not in __all__:
        raise AttributeError(f"module 'kitfast' has no attribute {name!r}")
    # Verbs are written small, what they take and return with a capital.
    return getattr(import_module("kitfast.blocking" if name.islower() else "kitfast.aio"), name)
