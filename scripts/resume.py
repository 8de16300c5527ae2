"""Resumes a run or a sweep in its own folder: python scripts/resume.py outputs/DATE/TIME [epochs=40]"""

from alexnet.launch.arguments import run_on_folder
from alexnet.launch.resume import resume

if __name__ == "__main__":
    run_on_folder(__doc__, resume, trains=True, from_start="train from epoch 1; the checkpoints are deleted")
