"""Joins a TUN device here with one in a namespace, each packet late.

Run as root: `delay.py NAMESPACE SECONDS`. Ends on SIGTERM; the devices go with it.
Large packets (the MTU is near 64 KiB) keep it cheap enough for many Gbit/s.
"""

from __future__ import annotations

import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD, _TUN_F_CSUM = 0x400454D0, 0x01
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
#: What goes before each packet: whether its checksum is still to be made.
HEADER = 10
MTU = 65000
#: A queue longer than this drops packets, as a router would.
LONGEST_QUEUE = 4000


def tun(name: str) -> int:
    """Makes a TUN device; returns the descriptor that reads and writes its packets.

    No checksums are made or checked on the way, as in a card that does so itself.
    """
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(handle, _TUNSETOFFLOAD, _TUN_F_CSUM)
    return handle


def ip(*words: str) -> None:
    """Runs `ip` with these words."""
    subprocess.run(["ip", *words], check=True)


def main(namespace: str, delay: float) -> None:
    """Carries packets both ways until it is killed."""
    here, there = f"kfh{os.getpid() % 100000}", f"kft{os.getpid() % 100000}"
    ends = [tun(here), tun(there)]
    ip("link", "set", there, "netns", namespace)
    ip("addr", "add", "10.213.8.1/30", "dev", here)
    ip("link", "set", here, "mtu", str(MTU), "txqueuelen", "4000", "up")
    ip("-n", namespace, "addr", "add", "10.213.8.2/30", "dev", there)
    ip("-n", namespace, "link", "set", there, "mtu", str(MTU), "txqueuelen", "4000", "up")
    queues: list[collections.deque[tuple[float, bytes]]] = [collections.deque() for _ in ends]
    while True:
        now = time.monotonic()
        due = [queue[0][0] for queue in queues if queue]
        wait = max(0.0, min(due) - now) if due else None
        ready, _, _ = select.select(ends, [], [], wait)
        for end in ready:
            queue = queues[ends.index(end)]
            for _ in range(64):
                try:
                    packet = os.read(end, HEADER + MTU)
                except BlockingIOError:
                    break
                if len(queue) < LONGEST_QUEUE:
                    queue.append((time.monotonic() + delay, packet))
        now = time.monotonic()
        for index, queue in enumerate(queues):
            while queue and queue[0][0] <= now:
                try:
                    os.write(ends[1 - index], queue[0][1])
                except BlockingIOError:
                    break
                except OSError:
                    pass  # a packet the other side has no use for, as at its start
                queue.popleft()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
