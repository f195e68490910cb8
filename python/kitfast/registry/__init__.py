"""Registries: manifests, blobs and uploads over HTTP, and how to be let in."""

from __future__ import annotations

from .blobs import BlobStream
from .client import Fetched, Registry
from .credentials import Credentials, Login
from .uploads import Upload

__all__ = ["BlobStream", "Credentials", "Fetched", "Login", "Registry", "Upload"]
