"""scripts/train.py, or with `resume FOLDER` scripts/resume.py; a program is silent after seconds, not a minute."""

import sys

from alexnet.launch import resume, train
from alexnet.runs import claims

if __name__ == "__main__":
    claims.SILENT = 6.0
    if sys.argv[1] == "resume":
        sys.exit(resume.resume(sys.argv[2], []))
    train.main()
