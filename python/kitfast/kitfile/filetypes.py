"""Guesses from a file's name what it is to a kit: kit's lists of endings."""

from __future__ import annotations

from typing import Literal

FileType = Literal["model", "metadata", "docs", "dataset", "unknown"]

# kit's lists, in the order it asks them: the first that fits decides.
_ENDINGS: tuple[tuple[FileType, tuple[str, ...]], ...] = (
    ("model", (".safetensors", ".pkl", ".joblib")),
    ("model", (".bin", ".pth", ".pt", ".mar", ".pt2", ".ptl")),
    ("model", (".pb", ".ckpt", ".tflite", ".tfrecords", ".npy", ".npz")),
    ("model", (".keras", ".h5", ".caffemodel", ".pmml", ".coreml")),
    ("model", (".gguf", ".ggml", ".ggmf", ".llamafile", ".onnx")),
    ("metadata", (".json", ".yaml", ".xml", ".txt")),
    ("docs", (".md", ".adoc", ".html", ".pdf")),
    ("dataset", (".tar", ".zip", ".parquet", ".csv")),
)


def file_type(name: str) -> FileType:
    """Returns what a file of this name is taken for."""
    for found, endings in _ENDINGS:
        if name.endswith(endings):
            return found
    return "unknown"


def weights_format(names: list[str]) -> str:
    """Returns "gguf" or "safetensors" when a file's name says so, else an empty text."""
    for ending in ("gguf", "safetensors"):
        if any(name.endswith(f".{ending}") for name in names):
            return ending
    return ""
