"""The local disk: blobs, manifests and references under kitfast's home."""
