"""Hydra's shell completion, with what this project adds: asked in the way in which a shell asks."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.own import write_own_files
from support.programs import ROOT, train_command

LINES = {
    "experiment=p": {"experiment=paper_2012", "experiment=paper/relu"},
    "-m seed=0,1 experiment=paper/l": {"experiment=paper/lrn"},
    "exp": {"experiment="},
    "model.activation=": {"model.activation=relu", "model.activation=tanh", "model.activation=gelu"},
    "dataset.flip=t": {"dataset.flip=true"},
    "--config-dir my_conf optimizer=n": {"optimizer=nadam"},
    "dataset": {"dataset=", "dataset."},
}
BY_HAND = """
import os, sys
from alexnet.launch.train import main
sys.argv = ["train.py", "-sc", "query=bash"]
for line in sys.stdin.read().splitlines():
    os.environ["COMP_LINE"] = f"python scripts/train.py {line}"
    pid = os.fork()
    if pid == 0:
        main()
    os.waitpid(pid, 0)
assert "torch" not in sys.modules
"""


def test_what_may_follow_is_offered_without_torch(tmp_path):
    write_own_files(tmp_path)
    asked = subprocess.run(
        [sys.executable, "-c", BY_HAND],
        input="\n".join(LINES),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    offered = [set(line.split()) for line in asked.stdout.splitlines()]
    for line, expected, given in zip(LINES, LINES.values(), offered, strict=True):
        assert expected <= given, (line, given)
    assert offered[0] >= {"experiment=paper/relu"} and offered[1] == {"experiment=paper/lrn"}


@pytest.mark.slow
def test_the_script_for_bash_completes_train_and_runs_no_other_file(tmp_path):
    """With a function of bash in place of Tab."""
    (tmp_path / "other.py").write_text("open('ran', 'w')\n")
    install = subprocess.run([*train_command(), "-sc", "install=bash"], capture_output=True, text=True, check=True)
    script = f"""{install.stdout}
ask() {{ COMP_LINE=$1 COMP_POINT=${{#1}} COMP_CWORD=2; COMPREPLY=(); hydra_bash_completion; echo "${{COMPREPLY[*]}}"; }}
ask "python other.py x"
cd {ROOT}
ask "python scripts/train.py experiment=paper/re"
"""
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, env=path)
    assert done.stdout.split("\n")[:2] == ["", "experiment=paper/relu"], done.stderr
    assert not (tmp_path / "ran").exists()
