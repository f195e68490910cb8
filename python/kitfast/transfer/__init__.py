"""Moves blobs between a registry and the local disk, in parallel and resumably."""
