"""python tests/support/streaming_memory.py ROOT MEMORY_SHARE CACHE WORKERS: one epoch of 16 images a batch.

Prints, before the data is there and after each batch, what the largest of this process and its workers holds, in MiB,
by the kernel's own count. That is memory of its own and what is shared with its workers: pages of a mapped file, which
the system takes back when it needs them, aren't in it.
"""

import os
import re
import sys
from pathlib import Path

import torch

from alexnet.data.batches import Batches
from alexnet.data.image_folder import image_folder
from alexnet.data.preparation import Preparation


def held():
    workers = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    texts = [Path(f"/proc/{process}/status").read_text() for process in ("self", *workers)]
    return max(sum(map(int, re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", text))) / 1024 for text in texts)


if __name__ == "__main__":
    root, share, cache, workers = sys.argv[1:]
    torch.ones(64, 64) @ torch.ones(64, 64)
    standing = [held()]
    # Small crops of large images: a batch for the network is less than what is read for it, so heap noise is small.
    train = image_folder(root, 64, float(share), cache or None, 256).train
    batches = Batches(train, Preparation(), 16, torch.device("cpu"), size=64, shuffle=True, workers=int(workers))
    for _ in batches.epoch():
        standing.append(held())
    print(*standing)
