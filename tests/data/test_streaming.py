"""A folder larger than the limit is streamed, and its size doesn't change the memory that this takes."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from alexnet.runs.folder import Run
from support.photographs import SYNSETS, photograph, save
from support.programs import ROOT, train_command


@pytest.fixture
def large(tmp_path):
    """960 photographs of 256 x 256 pixels: 180 MiB decoded."""
    for label, synset in enumerate(SYNSETS):
        folder = tmp_path / "large" / "train" / synset
        for number in range(4):
            photo = folder / f"{number}.JPEG"
            save(photograph(label, number).resize((256, 256)), photo)
            for copy in range(number + 4, 480, 4):
                shutil.copy(photo, folder / f"{copy}.JPEG")
        (tmp_path / "large" / "val" / synset).mkdir(parents=True)
        shutil.copy(photo, tmp_path / "large" / "val" / synset)
    return tmp_path / "large"


def held(*arguments):
    """What streaming_memory.py prints, in a process of its own."""
    command = [sys.executable, str(ROOT / "tests" / "support" / "streaming_memory.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return list(map(float, done.stdout.split()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGUSR2,
        pytest.param(signal.SIGINT, marks=pytest.mark.thorough),
        pytest.param(signal.SIGTERM, marks=pytest.mark.thorough),
    ],
)
def test_a_signal_to_all_processes_of_a_run_saves_it(images, tmp_path, number):
    """Slurm sends its signals to the processes that decode as well."""
    data = [f"dataset.root={images}", "dataset.cache=null", "dataset.memory_share=1e-9", "device.workers=2"]
    small = ["model=cuda_convnet", "dataset=image_folder", "batch_size=4", "log_every=2", "epochs=1000"]
    command = train_command(*small, *data, "hydra.run.dir=run")
    process = subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True, start_new_session=True)
    run = Run(tmp_path / "run")
    while not run.has_rows:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert run.result()["status"] == "interrupted" and run.has_checkpoint


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_streaming_takes_the_same_memory_however_large_the_folder(large, tmp_path):
    """With a limit of 16 MiB no process grows by more than a fraction of the folder, with workers or with the cache.
    The same folder held in memory shows that such growth would be seen."""
    limit = 16 * 2**20 / (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for how in (["", 2], [tmp_path / "cache", 0]):
        start, *standing = held(large, limit, *how)
        assert len(standing) == 60
        # MiB. A worker that kept its half of the batches in between would grow by 75.
        assert max(standing[-10:]) - max(standing[:10]) < 30, how
        assert standing[-1] - start < 120, how  # including what is imported meanwhile
    start, *standing = held(large, 0.9, tmp_path / "cache", 0)
    assert standing[-1] - start > 180
