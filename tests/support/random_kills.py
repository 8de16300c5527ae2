"""Kills random processes of runs at random moments: python tests/support/random_kills.py [KILLS [SEED]]

Every run has four shares, and is trained by two or four processes, which process 0 or torchrun starts. A killed run is
resumed by another number of processes, or by torchrun itself, until it ends. Each must end with the numbers of a run
that nobody killed. Lines tell what was seen; the exit status is 1 if a promise didn't hold.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.several import ALL, kill, list_processes, read_numbers, run, script, torchrun

LIMIT = 15.0  # seconds in which the other processes must have ended
MOST = 4  # kills of one run
TRAIN = ["train.py", *ALL, "device.shards=4", "epochs=4", "hydra.run.dir=run"]


class Killer:
    """Kills processes of runs in folders below `place`, at most `kills` in all.

    longest: seconds until a kill. expected: the numbers of a run that nobody killed.
    """

    def __init__(self, place, kills, seed, longest, expected):
        self.place, self.left, self.random, self.longest = place, kills, random.Random(seed), longest
        self.expected = expected
        self.slowest, self.runs, self.failed = 0.0, 0, False

    def train_one(self):
        """Trains a run to its end, in spite of the kills."""
        self.runs += 1
        folder = self.place / str(self.runs)
        folder.mkdir()
        under_torchrun = self.random.random() < 0.3
        told = (self._train_under_torchrun if under_torchrun else self._train)(folder)
        numbers = folder / "run" / "result.json"
        same = numbers.is_file() and read_numbers(folder / "run") == self.expected
        self.failed |= not same
        print(f"run {self.runs}: {told}: {'the same numbers' if same else 'OTHER NUMBERS'}", flush=True)

    def _train(self, folder):
        """Resumes the run by hand, with two or four processes, until it isn't killed any more."""
        told = []
        while True:
            processes = self.random.choice([2, 4])
            began = (folder / "run" / "config.yaml").is_file()
            name, *given = ["resume.py", "run"] if began else TRAIN
            program = self._start(script(name, *given, f"device.processes={processes}"), folder)
            killed = self._kill_one(program, folder, processes) if len(told) < MOST else None
            if killed is not None:
                told.append(killed)
            _, errors = program.communicate(timeout=200)
            if killed is None:
                self._expect(program.returncode == 0, f"exit status {program.returncode}: {errors}")
                return "; ".join([*told, f"ended with {processes}"])
            self._check_words(errors)

    def _train_under_torchrun(self, folder):
        """torchrun starts the processes again by itself."""
        processes = self.random.choice([2, 4])
        program = self._start(torchrun(processes, *script(*TRAIN)[1:], max_restarts=3), folder)
        told = []
        for _ in range(3):
            killed = self._kill_one(program, folder, processes, ends=False)
            told += [] if killed is None else [killed]
        program.communicate(timeout=200)
        self._expect(program.returncode == 0, f"exit status {program.returncode} under torchrun")
        return f"torchrun, {processes}: {'; '.join(told)}"

    def _start(self, command, folder):
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _kill_one(self, program, folder, processes, ends=True):
        """Kills one process, unless the run ends before. Tells which one, and how long the others took to end.

        ends: whether the others must end.
        """
        if self.left == 0:
            return None
        moment = time.monotonic() + self.random.uniform(0, self.longest)
        while time.monotonic() < moment and program.poll() is None:
            time.sleep(0.01)
        found = list_processes(folder)
        if program.poll() is not None or not found:
            return None
        rank = self.random.choice(sorted(found))
        try:
            kill(folder, [rank])
        except (KeyError, ProcessLookupError):  # it has just ended
            return None
        self.left -= 1
        others, began = set(found.values()), time.monotonic()
        while ends and others & set(list_processes(folder).values()) and time.monotonic() - began < 5 * LIMIT:
            time.sleep(0.02)
        seconds = time.monotonic() - began
        if ends:
            self.slowest = max(self.slowest, seconds)
            self._expect(seconds < LIMIT, f"the others took {seconds:.1f} s to end")
        return f"{rank} of {processes} killed, {seconds:.1f} s"

    def _check_words(self, errors):
        lines = [line for line in errors.splitlines() if line.startswith("Process ")]
        self._expect("Traceback" not in errors and len(lines) <= 1, f"said: {errors}")

    def _expect(self, holds, otherwise):
        if not holds:
            self.failed = True
            print(f"run {self.runs}: {otherwise}", flush=True)


def main(kills=30, seed=0):
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        began = time.monotonic()
        unbroken = run(script(*TRAIN), place)
        longest = 2 * (time.monotonic() - began)
        assert unbroken.returncode == 0, unbroken.stderr
        killer = Killer(place, int(kills), int(seed), longest, read_numbers(place / "run"))
        sha256 = json.loads((place / "run" / "result.json").read_text())["weights_sha256"]
        while killer.left > 0 and not killer.failed:
            killer.train_one()
        done = int(kills) - killer.left
        print(f"{done} kills in {killer.runs} runs; the others ended within {killer.slowest:.1f} s", flush=True)
        print(f"{'A promise did not hold.' if killer.failed else f'All ended as the unbroken run, {sha256[:16]}.'}")
    sys.exit(killer.failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
