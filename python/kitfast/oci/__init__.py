"""The vocabulary of OCI artifacts as plain values: no files, no sockets."""
