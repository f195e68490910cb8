"""The typed face of the compiled core; held to the built extension by stubtest."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import ClassVar, final

__version__: str

def keep_memory() -> bool:
    """Makes freed buffers stay with the process, for the speed of what comes next.

    Affects the whole process, so it is called where transfers begin, not at import.

    Returns:
        Whether the allocator can (glibc's can).
    """

def use_cores(count: int) -> None:
    """Works with as many threads as on so many cores; 0 asks the system again.

    Threads that work already stay as many as they are.
    """

def memory_limit() -> int | None:
    """The memory limit of this process's container in bytes, page cache included.

    Returns:
        The smallest limit of the control groups the process is in; None without one.
    """

@final
class Meter:
    """Bytes done and total of a running call, and the flag that cancels it."""

    def __new__(cls, total: int = 0) -> Meter: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def cancelled(self) -> bool: ...
    @property
    def waiting(self) -> float:
        """Seconds the call found its socket empty, or full where it sends."""
    @property
    def writing(self) -> float:
        """Seconds the call spent on writing, or on reading where it sends."""
    def add(self, bytes: int) -> None: ...
    def expect(self, bytes: int) -> None: ...
    def waited(self, seconds: float) -> None: ...
    def wrote(self, seconds: float) -> None: ...
    def cancel(self) -> None: ...

def sha256_file(
    path: str | PathLike[str],
    meter: Meter | None = None,
    start: int = 0,
    length: int | None = None,
) -> str:
    """The SHA-256 of a file or a range of it.

    Args:
        path: a regular file.
        meter: counts the bytes hashed and can cancel.
        start: offset of the first byte.
        length: bytes to hash; up to the end of the file by default.

    Returns:
        `sha256:<hex>`, as OCI image-spec 1.1 descriptors spell it.

    Raises:
        FileError: the file cannot be read.
        InvalidArgument: not a regular file, or a range that is not inside it.
        SourceChanged: the file shrank while it was read.
        Cancelled: the meter was cancelled.
    """

def sha256_files(paths: Sequence[str | PathLike[str]], meter: Meter | None = None) -> list[str]:
    """The SHA-256 of many whole files, hashed side by side.

    Args:
        paths: regular files.
        meter: counts the bytes hashed and can cancel.

    Returns:
        `sha256:<hex>` for each path, in their order.

    Raises:
        the first failure, which stops the rest; as `sha256_file`.
    """

def blake3(data: bytes) -> str:
    """The BLAKE3 of bytes in memory, as `blake3:<hex>`."""

def blake3_file(
    path: str | PathLike[str],
    meter: Meter | None = None,
    start: int = 0,
    length: int | None = None,
) -> str:
    """The BLAKE3 of a file or a range of it, as `blake3:<hex>`; else as `sha256_file`."""

@final
class Groups:
    """The groups of a file, each verified alone against the BLAKE3 of the whole.

    BLAKE3 is a tree: the roots of its subtrees of 4 MiB, the chaining values, merge to the
    digest. So whoever trusts the digest can trust them, and then each group of bytes.

    Args:
        values: the chaining values of all groups, 32 bytes each; none for a single group.
        size: bytes of the file.
        digest: `blake3:<hex>`, its digest.

    Raises:
        Corrupt: they are too few or too many, or do not give the digest.
        InvalidArgument: the digest is none.
    """

    #: Bytes of every group but the last.
    SIZE: ClassVar[int]
    def __new__(cls, values: bytes, size: int, digest: str) -> Groups: ...
    @staticmethod
    def values_length(size: int) -> int:
        """Bytes of the chaining values of a file of `size` bytes."""
    def verify(self, index: int, data: bytes) -> None:
        """Checks the bytes of one group.

        Args:
            index: which group: it begins at so many times `SIZE`.
            data: its bytes.

        Raises:
            Corrupt: they are not the file's.
            InvalidArgument: there is no such group.
        """

@final
class LayerSource:
    """What one layer is made of: the members of its tar, or one raw file.

    Args:
        members: name in the tar, the file its bytes come from (None for a directory), and
            the mode bits with setuid, setgid and sticky; in the order of the tar.
        compression: "none", "gzip", "gzip-fastest" or "zstd".
        raw: the layer is the bytes of its only member, without a tar around them.

    Raises:
        InvalidArgument: another compression.
    """

    def __new__(
        cls,
        members: Sequence[tuple[str, str | PathLike[str] | None, int]],
        compression: str = "none",
        raw: bool = False,
    ) -> LayerSource: ...

@final
class PackedLayer:
    """A layer in the store; `reused` when its unchanged files were not read again."""

    @property
    def digest(self) -> str: ...
    @property
    def diff_id(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def reused(self) -> bool: ...

@final
class Blob:
    """Random access to a blob's bytes, from any number of threads."""

    @staticmethod
    def of_source(source: LayerSource) -> Blob:
        """The tar or raw file of source files as they are now, with nothing stored.

        Raises:
            FileError, InvalidArgument: a file is missing, is none, or the layer is
                compressed.
        """
    @property
    def size(self) -> int: ...
    @property
    def digest(self) -> str | None:
        """`sha256:<hex>`; None for a blob made of source files."""
    def members(
        self, meter: Meter | None = None
    ) -> list[tuple[str, int, int, int, str | None, bytes]]:
        """Every member of a tar: name, offset, size, mode, a file's `blake3:<hex>`, and the
        chaining values of its groups.

        A folder has no digest. Files that the store keeps as contents are not read where
        their chaining values are kept, too.

        Args:
            meter: counts the bytes that are read, and can cancel.

        Raises:
            Corrupt, UnsafeMember: the blob is no good tar.
            Cancelled: the meter was cancelled.
        """
    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset` on.

        Raises:
            InvalidArgument: not inside the blob.
            Corrupt: a content of the store is missing or damaged.
            SourceChanged: a source file is no longer as it was.
        """
    def send(self, socket: int, offset: int, length: int, meter: Meter | None = None) -> None:
        """Writes `length` bytes from `offset` on to a stream socket.

        Nothing is copied through Python, and the GIL is free.

        Args:
            socket: its file descriptor, which must stay open until this returns.
            offset: where in the blob the bytes are.
            length: how many.
            meter: counts them as the socket takes them, and can cancel.

        Raises:
            ConnectionFailed: the connection broke.
            Cancelled: the meter was cancelled.
            InvalidArgument, Corrupt, SourceChanged: as `read` does.
        """

@final
class Departure:
    """Sends a layer straight from its files, and hashes what it sends for the first time.

    Takes the state of the files as they are now; every read checks it. One call at a time.

    Args:
        source: what the layer is made of, uncompressed.
        file_digests: hash the files of a tar of two or more one by one, too.

    Raises:
        FileError, InvalidArgument: a file is missing, is none, or the layer is compressed.
    """

    def __new__(cls, source: LayerSource, file_digests: bool = False) -> Departure: ...
    def members(
        self, read: bool = False, meter: Meter | None = None
    ) -> list[tuple[str, int, int, int, str | None, bytes]] | None:
        """As `Blob.members`, out of what was hashed on the way.

        Files that were not hashed one by one are read now with `read`; else it is None.
        """
    @property
    def size(self) -> int:
        """Bytes of the layer."""
    @property
    def hashed(self) -> int:
        """Bytes that are hashed, from the first one on."""
    @property
    def digest(self) -> str | None:
        """`sha256:<hex>`, once all of it is hashed or it was recalled."""
    def recall(self, home: str | PathLike[str]) -> bool:
        """Takes the digest over that `remember`, or a pack, kept for files in this very state.

        Args:
            home: the folder of the store.

        Returns:
            Whether the digest is known.
        """
    def remember(self, home: str | PathLike[str]) -> None:
        """Keeps the digest, unless a file is so fresh that a change to it might not show.

        Raises:
            InvalidArgument: it is not known yet.
            FileError, NoSpace: it cannot be written.
        """
    def packed(self) -> PackedLayer:
        """What packing the layer would give; `reused` when it was not read to the end for it.

        Raises:
            InvalidArgument: the digest is not known yet.
        """
    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset` on; hashes those that are not hashed yet.

        Raises:
            InvalidArgument: not inside the layer, or bytes before them are not hashed yet.
            FileError: a file cannot be read.
            SourceChanged: a file is no longer as it was.
        """
    def send(self, socket: int, offset: int, length: int, meter: Meter | None = None) -> None:
        """Writes bytes to a stream socket as `Blob.send` does; hashes as `read` does.

        After the connection broke, or the meter was cancelled, bytes can be sent again.

        Raises:
            as both.
        """
    def hash(self, meter: Meter | None = None) -> None:
        """Hashes what is not hashed yet, without sending it. Raises as `read`; Cancelled."""

@final
class Squeeze:
    """Compresses a layer straight from its files, with one piece of it in memory.

    The bytes are those that packing gives. Takes the state of the files as they are now;
    every read checks it. One call at a time.

    Args:
        source: what the layer is made of, compressed.
        piece: bytes of every piece but the last, which has one at least; while one is in
            use the next is made.

    Raises:
        FileError, InvalidArgument: a file is missing, is none, or the layer is not compressed.
    """

    def __new__(cls, source: LayerSource, piece: int) -> Squeeze: ...
    @property
    def file_bytes(self) -> int:
        """Bytes of all the files."""
    @property
    def size(self) -> int:
        """Bytes of the compressed layer; 0 while they are not known."""
    @property
    def digest(self) -> str | None:
        """`sha256:<hex>`, once all of it is compressed or it was recalled."""
    @property
    def window(self) -> tuple[int, int, bool]:
        """Where the piece in memory begins and ends in the layer, and whether it is the last."""
    def recall(self, home: str | PathLike[str]) -> bool:
        """As `Departure.recall`, of a layer that was compressed in the same way."""
    def remember(self, home: str | PathLike[str]) -> None:
        """As `Departure.remember`. Raises as that."""
    def packed(self) -> PackedLayer:
        """What packing the layer would give.

        Raises:
            InvalidArgument: the digest is not known yet.
        """
    def seek(self, offset: int, meter: Meter | None = None) -> None:
        """Brings the piece with this byte into memory; past the end, the last one.

        What lies before the piece in memory is compressed once more. The meter tells with
        `writing` how long the files were waited for. After a failure it begins at the start.

        Raises:
            FileError: a file cannot be read.
            SourceChanged: a file is no longer as it was.
            Cancelled: the meter was cancelled.
        """
    def files(self, offset: int) -> int:
        """About how many of the files' bytes lie before this byte of the piece in memory."""
    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes of the piece in memory.

        Raises:
            InvalidArgument: they are not in memory.
        """
    def stop(self) -> None:
        """Ends the compressing ahead, and lets the memory go."""

@final
class Store:
    """A store of blobs in a folder, which any number of processes may use at once.

    Args:
        home: the folder; created where it is missing.

    Raises:
        FileError: it cannot be created.
    """

    def __new__(cls, home: str | PathLike[str]) -> Store: ...
    def pack(
        self, layers: Sequence[LayerSource], meter: Meter | None = None, cache: bool = True
    ) -> list[PackedLayer]:
        """Packs layers side by side, each byte read once; answers them in the order given.

        Args:
            layers: what to pack; the tars are the ones Go's archive/tar writes for kit.
            meter: counts the files' bytes and can cancel.
            cache: whether files unchanged since an earlier pack may go unread.

        Raises:
            FileError, NoSpace: a file cannot be read or written.
            InvalidArgument: a name no tar can hold, or a raw layer that is not one file.
            SourceChanged: a file changed while it was read.
            Cancelled: the meter was cancelled.
        """
    def size(self, digest: str) -> int | None:
        """A blob's size; None unless all of it is there."""
    def blob(self, digest: str) -> Blob:
        """Random access to a stored blob. Raises NotFound, Corrupt."""
    def content(self, digest: str, size: int) -> Blob | None:
        """Random access to a file's bytes by `blake3:<hex>`, whatever blob it came in.

        None where the store does not hold it. Raises Corrupt where it is damaged.
        """
    def put(self, data: bytes) -> str:
        """Stores a small blob; answers its digest."""
    def take(self, path: str, digest: str, meter: Meter | None = None) -> int:
        """Makes a blob of a whole file on the store's disk, by moving it; answers its size.

        Raises:
            DigestMismatch: the bytes are others; the file is left where it was.
            InvalidArgument: it is no regular file.
        """
    def unpack(
        self,
        digest: str,
        shape: str,
        target: Target,
        name: str | None = None,
        mode: int = 0o644,
        link: bool = False,
        meter: Meter | None = None,
    ) -> None:
        """Unpacks a stored blob; every file gets its name when all of them are whole.

        Args:
            digest: the blob.
            shape: "tar" or "whole", with "+gzip" or "+zstd" behind it where compressed.
            target: where to; its rule says what happens to files that are there.
            name: what a whole blob is called.
            mode: its mode.
            link: hard-link contents instead of copying them, where the file system can:
                read only, and shared with the store.
            meter: counts the files' bytes and can cancel.

        Raises:
            NotFound, Corrupt: the store does not hold the blob, or not whole.
            UnsafeMember: the tar is hostile.
            AlreadyExists: a file is there and must not be replaced.
            FileError, NoSpace, Cancelled: nothing was published.
        """
    def verify(self, digest: str, meter: Meter | None = None) -> None:
        """Hashes a whole blob. Raises NotFound, Corrupt, DigestMismatch, Cancelled."""
    def verify_all(
        self, digests: Sequence[str], meter: Meter | None = None
    ) -> list[tuple[str, str]]:
        """Hashes blobs side by side; answers digest and fault of those that are not whole."""
    def digests(self) -> list[str]:
        """The digests of all blobs, in no order."""
    def remove(self, digest: str) -> None:
        """Forgets a blob; its bytes stay until a prune. Raises NotFound."""
    def prune(
        self,
        keep: Sequence[str] | Callable[[], Sequence[str]],
        meter: Meter | None = None,
    ) -> int:
        """Drops all other blobs and the contents only they used; answers bytes freed.

        Waits until no process is building a blob or keeps a `hold`.

        Args:
            keep: the digests to keep, or a function that is asked for them after that
                wait: only so are blobs safe that another process finishes meanwhile.
            meter: can cancel.
        """
    def hold(self) -> Hold:
        """Keeps prunes waiting, from a blob's first byte until a manifest names it."""

@final
class Hold:
    """Keeps prunes of this store waiting until it is released or its block is left."""

    def __enter__(self) -> Hold: ...
    def __exit__(self, _kind: object, _error: object, _trace: object) -> None: ...
    def release(self) -> None: ...

@final
class TarWalk:
    """Finds the members of a tar of `size` bytes by hopping from header to header.

    Names are checked as in unpacking: UnsafeMember and Corrupt come from `step`.
    """

    def __new__(cls, size: int) -> TarWalk: ...
    def step(self, offset: int, data: bytes) -> tuple[str, str, int, int, int]:
        """What comes next, seen through the bytes of the tar that start at `offset`.

        Returns:
            "need", with offset and length of the bytes to call it with; "member" and
            "folder", with the name, the offset and length of the bytes, and the mode;
            or "end".
        """

@final
class Patterns:
    """Which names are wanted: the patterns of `Target`, without any folder."""

    def __new__(cls, include: Sequence[str] = ..., exclude: Sequence[str] = ...) -> Patterns: ...
    def wants(self, name: str, below: bool = False) -> bool:
        """As `Target.wants`."""
    @staticmethod
    def check_names(files: Sequence[str], folders: Sequence[str]) -> None:
        """As `Target.check_names`, for a folder that tells `A` from `a`."""

@final
class Target:
    """A folder that unpacked files appear in whole, and that no name leads out of.

    The folder is held open: putting a link in its place meanwhile changes nothing.
    """

    def __new__(
        cls,
        root: str | PathLike[str],
        existing: str = "refuse",
        include: Sequence[str] = ...,
        exclude: Sequence[str] = ...,
    ) -> Target:
        """Opens `root`, making it if need be.

        Args:
            root: the folder.
            existing: "refuse" (a file that is there is an error, before anything of the
                blob is published), "overwrite" or "keep".
            include: patterns of the names that are wanted; without any, all are.
            exclude: patterns of the names that are not. `*` and `?` stop at `/`, `**` does
                not; a pattern without `/` fits any part of a name, and one that fits a
                folder fits all in it.

        Raises:
            FileError: the folder cannot be made or opened.
            InvalidArgument: another word for `existing`.
        """
    def put(self, name: str, data: bytes, mode: int = 0o644) -> bool:
        """Writes a small file at once; False if one is there and is kept.

        One that is there with the same bytes is fine whatever `existing` says, and counts:
        as kept with "keep", unless names are remembered, else as written.

        Raises:
            AlreadyExists: a file is there and must not be replaced.
            UnsafeMember: the name leads out of the folder.
        """
    def folder(self, name: str, mode: int) -> None:
        """Makes a folder; one that is there keeps its mode, one that is not wanted waits.

        Raises:
            UnsafeMember: the name leads out of the folder.
        """
    def wants(self, name: str, below: bool = False) -> bool:
        """Whether the patterns want a file of this name, or maybe one in a folder of it.

        Raises:
            UnsafeMember: the name leads out of the folder.
        """

    def check_names(self, files: Sequence[str], folders: Sequence[str]) -> None:
        """Checks the names of files and folders that are to come as those of a tar are.

        Raises:
            UnsafeMember: one leads out of the folder, one stands twice, a file is also a
                folder, or two are one to a file system that does not tell `A` from `a`.
        """
    def check_folder(self, name: str) -> None:
        """Checks that a folder of this name can be made, or is there.

        Raises:
            AlreadyExists: a file has its name.
            UnsafeMember: the name leads out of the folder.
        """
    def would_write(self, name: str) -> bool:
        """Whether a file of this name would be written; False if one is there and is kept.

        Raises:
            AlreadyExists: a file is there and must not be replaced.
            UnsafeMember: the name leads out of the folder.
        """
    def size_of(self, name: str) -> int | None:
        """The bytes of the regular file of this name, None where there is none.

        Raises:
            UnsafeMember: the name leads out of the folder.
        """
    def rank(self, layer: str) -> None:
        """Ranks a layer above all that were ranked before, by its digest.

        Where layers of one run bring a file of one name, the last one wins where files are
        replaced and the first one where they are kept, whoever is done first.

        Raises:
            InvalidArgument: it is no SHA-256 digest.
        """
    def count_kept(self, files: int) -> None:
        """Counts files that are there and are kept without a landing."""
    def abandon(self) -> None:
        """Removes all that was staged through this object; not what stood there before.

        For a failure that a second try cannot get past. No landing may be open.
        """
    def free_space(self) -> int:
        """Bytes this user may still write on the folder's file system."""
    def remember(self) -> None:
        """From now on, `remembered` learns of every file that is verified and has its name."""
    def remembered(self) -> list[str]:
        """The names of those files, of earlier, interrupted runs too, in no order.

        Files that were there and were kept are not among them, unless `put` found them equal.
        """
    def settle(self) -> None:
        """Applies the directories' modes, and waits until all files are on the disk.

        The staging folder stays until `finish`: a run that ends here knows its files again.
        """
    def finish(self) -> None:
        """Applies the directories' modes and removes the staging folder if it is empty."""
    @property
    def files(self) -> int:
        """Files published so far."""
    @property
    def bytes(self) -> int:
        """Bytes in the files published so far."""
    @property
    def kept(self) -> int:
        """Files left alone because they were there."""

@final
class Landing:
    """Takes one blob's bytes in any order and publishes them once they are verified.

    Dropped without `finish`, `keep` or `discard`, it leaves what a kill would leave: its
    last journal, at most about a second old.
    """

    @staticmethod
    def left_in_store(
        store: Store, digest: str, size: int, shape: str
    ) -> list[tuple[int, int]] | None:
        """What an earlier run has left to fetch of a blob bound for the store.

        Nothing is made, written or locked: somebody else may be receiving it.

        Args:
            store, digest, size, shape: as in `into_store`.

        Returns:
            Half-open ranges, ascending; None where no earlier run left anything of use.
        """
    @staticmethod
    def left_in_target(
        folder: str | PathLike[str],
        digest: str,
        size: int,
        shape: str,
        name: str | None = None,
        include: list[str] = ...,
        exclude: list[str] = ...,
    ) -> list[tuple[int, int]] | None:
        """What an earlier run has left to fetch of a blob that is unpacked into a folder.

        As `left_in_store`; with the patterns of the target that it would go to.
        """

    @staticmethod
    def into_store(store: Store, digest: str, size: int, shape: str) -> Landing:
        """Opens the landing of a blob bound for the store, or goes on with one.

        Args:
            store: where it goes.
            digest: `sha256:<hex>`, or for "whole" `blake3:<hex>`, which the bytes must have.
            size: the bytes it must have.
            shape: "whole", or "tar" to keep the big files in it as contents of their own;
                bytes that are no tar are taken all the same.

        Raises:
            Busy: somebody else is receiving this blob; wait, or look into the store.
            NoSpace, FileError: the files cannot be made.
            InvalidArgument: another shape, or a digest that is none.
        """
    @staticmethod
    def into_target(
        target: Target,
        digest: str,
        size: int,
        shape: str,
        name: str | None = None,
        mode: int = 0o644,
    ) -> Landing:
        """Opens the landing of a blob that is unpacked into a folder, or goes on with one.

        What an earlier run published, before it was killed within another blob, is found
        again: then nothing is missing.

        Args:
            target: the folder.
            digest: `sha256:<hex>`, or for "whole" `blake3:<hex>`, which the bytes must have;
                `unverified:<hex>` only names them, and they are held against nothing.
            size: the bytes it must have.
            shape: "whole" (the file `name`), "tar", "tar+gzip" or "tar+zstd".
            name: the file's name, for "whole" only.
            mode: the file's permission bits, for "whole" only.

        Raises:
            AlreadyExists: the file of a whole blob is there and must not be replaced.
            Busy: somebody else is receiving this blob into this folder.
            UnsafeMember: a name that leads out of the folder.
            NoSpace, FileError: the files cannot be made.
            InvalidArgument: another shape, a digest that is none, a name missing or too much.
        """
    @staticmethod
    def has_published(
        target: Target, digest: str, size: int, shape: str, name: str | None = None
    ) -> bool:
        """Whether files of this blob in the folder may be an earlier, interrupted run's.

        Makes nothing. The arguments are those of `into_target`; true also while somebody
        else is receiving the blob.

        Raises:
            UnsafeMember: a name that leads out of the folder.
            FileError: what the earlier run left cannot be read.
            InvalidArgument: another shape, a digest that is none, a name missing or too much.
        """
    @property
    def size(self) -> int:
        """Bytes of the blob."""
    @property
    def reused(self) -> int:
        """Bytes that were there when it was opened."""
    @property
    def received(self) -> int:
        """Bytes that are down."""
    @property
    def hashed(self) -> int:
        """Bytes that are hashed: the front behind the writers."""
    @property
    def warning(self) -> str | None:
        """Why what an earlier run left could not be used."""
    def missing(self) -> list[tuple[int, int]]:
        """What is not down yet: half-open ranges, ascending."""
    def wanted_header(self) -> tuple[int, int] | None:
        """Offset and length of a header worth a request of its own, if there is one.

        It tells where the bytes behind it belong; until it is there they take a detour.
        """
    def write(self, offset: int, data: bytes | bytearray, length: int | None = None) -> None:
        """Puts bytes where they belong; from any thread, in any order, cheap enough for a loop.

        Bytes that are down, or that another call is writing, are ignored.

        Args:
            offset: where in the blob they belong.
            data: a bytearray can be used again when this returns; nobody may change it before.
            length: how many of `data` are meant, from its start; all by default.

        Raises:
            InvalidArgument: beyond the blob or `data`, or the landing is closed.
            UnsafeMember, AlreadyExists: a header shows that the tar cannot be unpacked here.
            NoSpace, FileError: the disk is full or fails; no more bytes are taken.
        """
    def receive(self, socket: int, offset: int, length: int, meter: Meter | None = None) -> int:
        """Reads `length` bytes from a stream socket into the blob at `offset`.

        Nothing is copied through Python, and the GIL is free.

        Args:
            socket: its file descriptor, which must stay open until this returns.
            offset: where in the blob the bytes belong.
            length: how many to read.
            meter: counts them as they come, and can cancel.

        Returns:
            How many came; fewer when the other side ended the stream.

        Raises:
            ConnectionFailed: the connection broke.
            Cancelled: the meter was cancelled.
            NoSpace, UnsafeMember, AlreadyExists, InvalidArgument: as `write` does.
        """
    def finish(self, meter: Meter | None = None) -> None:
        """Waits until all is hashed, verifies, and publishes; the last call.

        After DigestMismatch, Corrupt and UnsafeMember nothing of the blob is left; after any
        other error the landing is still open: `keep` or `discard` it.

        Raises:
            DigestMismatch: the bytes are not the ones that were promised.
            Corrupt, UnsafeMember: the tar is broken or hostile.
            AlreadyExists: a file is there and must not be replaced; nothing is published.
            InvalidArgument: bytes are missing.
            Cancelled: the meter was cancelled.
        """
    def keep(self) -> None:
        """Writes the journal and closes: a later landing of the blob goes on from here."""
    def discard(self) -> None:
        """Closes and removes everything of the blob that is not published."""
