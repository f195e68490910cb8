"""The verbs: one file each, awaitable, returning frozen dataclasses."""
