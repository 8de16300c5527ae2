"""python tests/streaming_memory.py ROOT MEMORY_SHARE CACHE WORKERS: one epoch of 16 images a batch.

Prints, before the data is there and after each batch, the highest that this process or any of its workers has stood
so far, in MiB, by the kernel's own count.
"""

import os
import re
import sys
from pathlib import Path

import torch

from alexnet import datasets
from alexnet.loaders import Batches


def peak():
    workers = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    texts = [Path(f"/proc/{process}/status").read_text() for process in ("self", *workers)]
    return max(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024 for text in texts)


if __name__ == "__main__":
    root, share, cache, workers = sys.argv[1:]
    torch.ones(64, 64) @ torch.ones(64, 64)
    peaks = [peak()]
    train = datasets.image_folder(root, 224, float(share), cache or None, 256).train
    for _ in Batches(train, 16, torch.device("cpu"), size=224, shuffle=True, workers=int(workers)).epoch():
        peaks.append(peak())
    print(*peaks)
