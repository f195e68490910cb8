"""Moves model weights through OCI registries as fast as machine and network allow."""
