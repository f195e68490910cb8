"""Serves a store as an OCI registry, for other machines to pull from."""

from kitfast.registry.serve.server import Server
from kitfast.registry.serve.shelf import Shelf, StoredManifest

__all__ = ["Server", "Shelf", "StoredManifest"]
