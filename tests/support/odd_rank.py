"""A script of scripts/, of which one process under torchrun is odd: odd_rank.py KIND SCRIPT [ARGUMENT ...]

KIND: memory (it has too little), versions (of its packages), weights (it starts from others), rounding (it computes
one weight differently), or disk (its folders are elsewhere).
"""

import os
import resource
import runpy
import sys
from pathlib import Path

kind, script, *sys.argv[1:] = sys.argv[1:]
ROOT = Path(__file__).parents[2]

if os.environ["RANK"] == "1":
    from alexnet.config.processes import prepare_torch

    prepare_torch()
    import torch

    from alexnet.data import randomness
    from alexnet.engine import environment
    from alexnet.runs import folder
    from alexnet.training import follower, loop

    if kind == "memory":
        train = follower.train

        def train_with_little(*given):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + 2**25, -1))
            train(*given)

        follower.train = train_with_little
    elif kind == "versions":
        environment._find_version = lambda package: "0.0"
    elif kind == "weights":
        derive = randomness.derive_seed
        randomness.derive_seed = lambda seed, *given: derive(seed + 1, *given)
    elif kind == "rounding":
        validate = loop.validate

        def validate_with_another_weight(training, state):
            biases = next(each.data for each in training.model.parameters() if each.ndim == 1)
            torch.nextafter(biases, biases + 1, out=biases)
            return validate(training, state)

        loop.validate = validate_with_another_weight
    elif kind == "disk":
        follower.SECONDS = 1.0
        read = folder.Run.__init__
        folder.Run.__init__ = lambda run, place: read(run, f"{place}-elsewhere")

runpy.run_path(str(ROOT / "scripts" / script), run_name="__main__")
