"""scripts/train.py with steps that take SECONDS_A_STEP longer: as long as a test needs, and without load."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from alexnet.launch import train

own_job = train.job


def job(config):
    from alexnet.training import loop

    step = loop.step

    def slow_step(*arguments):
        time.sleep(float(os.environ["SECONDS_A_STEP"]))
        return step(*arguments)

    loop.step = slow_step
    return own_job(config)


if __name__ == "__main__":
    from support import slow_train  # the function that another process can import

    train.job = slow_train.job
    train.main()
