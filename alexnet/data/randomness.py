"""Derives all random numbers from (seed, purpose, epoch, step), never from what was drawn before.

So a run that is stopped and resumed anywhere, with any number of workers, draws the same numbers as a run that is not,
and no generator's state has to be saved.
"""

import numpy as np
import torch

# Each purpose has its own stream, so that none can shift another. STEP is for what a step draws, such as dropout.
# FLIP is for which images the first epoch mirrors, if each is mirrored in every other epoch.
WEIGHTS, SPLIT, ORDER, AUGMENTATION, STEP, FLIP = range(6)


def derive_seed(seed: int, purpose: int, epoch: int = 0, step: int = 0, share: int | None = None) -> int:
    """A well-mixed seed in [0, 2**63) for one purpose at one moment of the run. share: of a batch, if it is cut."""
    parts = [] if share is None else [share + 1]  # a 0 at the end would change nothing
    words = np.random.SeedSequence([seed, purpose, epoch, step, *parts]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


def make_generator(seed: int, purpose: int, epoch: int = 0, step: int = 0) -> torch.Generator:
    """A CPU generator at that seed: it draws the same numbers whatever device the images are on."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, epoch, step))
