"""scripts/train.py as a person meets it: full disks, help, languages, terminals, signals."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from alexnet.errors import Mistake
from alexnet.runs import checkpoints
from alexnet.runs.claim import claim
from alexnet.runs.folder import Run
from support.images import small_data
from support.programs import ROOT, list_run_folders, train_command


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(megabytes) gives a folder on a file system of that size. files: the most files and folders in it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(megabytes, files=1000):
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m,nr_inodes={files}", "none", str(disk)]
        if subprocess.run(["mount", *options], capture_output=True).returncode:
            pytest.skip("no right to mount a small file system here")
        return disk

    yield mount
    subprocess.run(["umount", disk], capture_output=True)


@pytest.mark.slow
def test_a_disk_too_small_for_the_run_is_told_before_training(train, images, small_disk):
    disk = small_disk(300)
    done = train(*small_data(images), f"hydra.run.dir={disk}/run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "MB free" in done.stderr and "hydra.run.dir=FOLDER" in done.stderr
    assert not Run(disk / "run").windows()


def test_a_disk_too_small_for_the_sweep_is_told_and_no_folder_is_made(train, images, small_disk):
    disk = small_disk(300)
    done = train("-m", *small_data(images), "seed=0,1", f"hydra.sweep.dir={disk}/day/sweep")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "MB free" in done.stderr and "hydra.sweep.dir=FOLDER" in done.stderr
    assert not list(disk.iterdir())


@pytest.mark.parametrize("left", [0, 4096, 8192])
@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"]])
def test_a_disk_that_is_full_at_the_start_is_one_sentence_and_leaves_nothing(train, small, small_disk, left, sweep):
    disk = small_disk(20)
    with open(disk / "other", "wb") as other:
        os.posix_fallocate(other.fileno(), 0, shutil.disk_usage(disk).free - left)
    done = train(*sweep, *small, f"hydra.run.dir={disk}/run", f"hydra.sweep.dir={disk}/run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "MB free" in done.stderr
    assert [path.name for path in disk.iterdir()] == ["other"]
    with pytest.raises(Mistake, match="can't be made: No space left"):  # where free space isn't known
        claim(disk / "run")
    assert [path.name for path in disk.iterdir()] == ["other"]


@pytest.mark.parametrize("launcher", ["basic", "parallel"])
def test_a_disk_without_room_for_a_jobs_files_is_told_without_a_stack_trace(train, small, small_disk, launcher):
    """The sweep's own folder still found room."""
    disk = small_disk(900, files=13)
    done = train("-m", "seed=0,1", f"hydra/launcher={launcher}", *small, f"hydra.sweep.dir={disk}/run")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "No space left on device" in done.stderr


def test_a_full_disk_under_the_output_is_one_sentence(tmp_path):
    with open("/dev/full", "w") as full:
        command = [sys.executable, str(ROOT / "scripts" / "train.py"), "--help"]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "No space left on device" in done.stderr


@pytest.mark.slow
def test_a_disk_that_fills_up_is_one_message_and_loses_nothing(train, small, small_disk, tmp_path):
    """Another program takes the space during training: status failed, exit 1, the previous checkpoint whole."""
    disk = small_disk(80)
    process = subprocess.Popen(
        train_command(*small, "epochs=100", f"hydra.run.dir={disk}/run"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (disk / "run" / "checkpoints" / "last.pt").is_file():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    with contextlib.suppress(OSError), open(disk / "other", "wb") as other:
        while True:
            other.write(bytes(1 << 20))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "No space is left" in errors and "Traceback" not in errors
    run = Run(disk / "run")
    assert checkpoints.load(run.checkpoints, "last")["state"]["epoch"] >= 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--cfg", "job"],
        ["--cfg", "job", "--resolve"],
        ["+optimizer.nesterow=true"],
        ["-m", "dataset=image_folder", "dataset.root=nowhere", "seed=0,1"],
        ["resume=nowhere", "-m", "seed=0,1"],
        ["model=alexnet", "dataset.size=224", "model.weights=nowhere.pth"],
    ],
)
def test_help_and_mistakes_do_not_import_torch(arguments):
    program = (
        f"import sys; sys.argv = ['train.py', *{arguments!r}]\n"
        "from alexnet.launch.train import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == (0 if arguments[0].startswith("--") else 2), done.stderr
    if arguments == ["--help"]:
        for group in ("model", "dataset", "optimizer", "schedule", "device", "experiment"):
            assert re.search(rf"^{group}: \w+", done.stdout, re.M)
        assert "python scripts/train.py -m optimizer.lr=0.1,0.01,0.001" in done.stdout


def test_a_reader_that_has_read_enough_ends_train_quietly():
    """As `python scripts/train.py --help | head -3` does: the pipe is closed before the help is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(train_command("--help"), stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "scripts").glob("*.py")))
def test_a_scripts_help_fits_80_columns_and_imports_no_torch(script):
    program = (
        f"import runpy, sys; sys.argv = [{script!r}, '--help']\n"
        f"try: runpy.run_path({str(ROOT / 'scripts' / script)!r}, run_name='__main__')\n"
        "finally: assert 'torch' not in sys.modules"
    )
    terminal = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=terminal, capture_output=True, text=True)
    assert done.returncode == 0 and len(done.stdout) > 200, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "language, last_lines",
    [
        ("en", ["Training finished.", "Test accuracy: {}%", "Training curve saved to: {}"]),
        ("zh", ["训练完成！", "测试集准确率: {}%", "训练损失曲线已保存为: {}"]),
    ],
)
def test_the_console_has_the_tutorials_lines_among_its_own(train, small, tmp_path, language, last_lines):
    """A line a window, the end, the accuracy with two digits, where the plot is. The project's own lines stand before
    the first window, after each epoch and at the end; in a terminal of 80 columns, each has its own row."""
    done = train(*small, f"language={language}")
    assert done.returncode == 0, done.stderr
    (folder,) = list_run_folders(tmp_path)
    run = Run(folder)
    accuracy = f"{100 * run.result()['test_accuracy']:.2f}"
    expected = [
        f"[Epoch {window['epoch']:.0f}, Batch {window['batch']:.0f}] Loss: {window['loss']:.3f}"
        for window in run.windows()
    ]
    expected += [last_lines[0], last_lines[1].format(accuracy), last_lines[2].format(run.curve.relative_to(tmp_path))]
    lines = [line for line in done.stdout.splitlines() if "optimizer.lr" not in line]  # nothing is learnt in 12 steps
    assert [line for line in lines if line in expected] == expected and len(run.windows()) == 6
    places = [number for number, line in enumerate(lines) if line not in expected]
    assert places == [0, 1, 2, 3, 4, 8, 12, 16, 17]
    assert str(run.folder.relative_to(tmp_path)) in lines[0] and "24" in lines[2]
    assert all(len(line) <= 80 for line in lines if not line.startswith(last_lines[2][:8]))
    assert run.curve.is_file()


@pytest.mark.slow
def test_a_terminal_shows_a_bar_and_every_line_once(small, tmp_path):
    """Under a real pseudo-terminal: tqdm's bar with remaining time, the log lines above it."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(train_command(*small, "epochs=1"), cwd=tmp_path, stdout=other, stderr=other)
    os.close(other)
    shown = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:  # the terminal's end
            break
        shown += piece
        if not piece:
            break
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert re.search(r"\d+%\|.*\[\d\d:\d\d<\d\d:\d\d", text)
    assert text.count("[Epoch 1, Batch 2] Loss") == 1 and text.count("Training finished.") == 1


@pytest.mark.slow
def test_ctrl_c_pressed_twice_ends_the_run_as_once_does(small, tmp_path):
    """In a terminal it goes to the workers that decode as well; and they take a moment to end."""
    process = subprocess.Popen(
        train_command(*small, "epochs=1000", "dataset.memory_share=0", "device.workers=2"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while "Batch" not in process.stdout.readline():
        pass
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    (folder,) = list_run_folders(tmp_path)
    assert Run(folder).result()["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_what_was_trained_saved(small, tmp_path, number, status):
    process = subprocess.Popen(
        train_command(*small, "epochs=1000"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()  # the first window is trained
    time.sleep(0.3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    (folder,) = list_run_folders(tmp_path)
    run = Run(folder)
    assert run.result()["status"] == "interrupted"
    saved = checkpoints.load(run.checkpoints, "last")["state"]
    steps = saved["epoch"] * 6 + saved["batch"]
    assert steps >= 2 and steps // 2 == len(run.windows())
    assert run.curve.is_file()


@pytest.mark.parametrize(
    "sweep, changed",
    [
        ([], "~hydra.callbacks.alexnet"),
        (["-m"], "hydra.callbacks.alexnet._target_=hydra.experimental.callback.Callback"),
    ],
)
def test_without_the_callback_a_job_still_checks_its_values(train, small, tmp_path, sweep, changed):
    done = train(*sweep, *small, "cutmix=5", changed)
    assert "cutmix=5: expected a number from 0 to 1" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("**/losses.csv"))
