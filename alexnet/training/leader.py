"""Process 0 of a run: starts the others, unless torchrun did, and ends them. Only it writes the run's folder."""

import json
import os
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from subprocess import DEVNULL, Popen, TimeoutExpired
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from omegaconf import DictConfig, OmegaConf

from alexnet.config.processes import Place, count_shards, read_place
from alexnet.errors import Failure, Mistake
from alexnet.messages.console import asked_for, warn
from alexnet.runs.folder import Run
from alexnet.training.signals import Signals

if TYPE_CHECKING:
    from alexnet.engine.device import Engine
    from alexnet.engine.distributed import Group
    from alexnet.training.build import Training
    from alexnet.training.state import State
    from alexnet.training.watch import Watch

PATIENCE = 10.0  # seconds that the other processes get to end by themselves
STOP = (signal.SIGINT, signal.SIGTERM)


class Leader:
    """Within `with Leader(...) as leader`, the other processes of a run, if it has any. At the end they end as well."""

    def __init__(self, run: Run, signals: Signals, from_start: bool):
        self.run, self.signals, self.from_start = run, signals, from_start
        self.group: Group | None = None
        self.watch: Watch | None = None

    def __enter__(self) -> "Leader":
        return self

    def join(self, config: DictConfig, engine: "Engine", began: dict[str, Any] | None) -> "Group":
        """Starts the other processes, or tells those that torchrun started what to train. Doesn't wait for them.

        began: as `assemble` gets it. Raises Mistake if there aren't GPUs enough, Failure if no process can be started.
        """
        import torch.distributed as dist

        from alexnet.engine.distributed import Group, Messages
        from alexnet.training.watch import ROUND, Watch, open_round, open_store

        size, shards, outer = config.device.get("processes", 1), count_shards(config), read_place()
        if size == 1:
            return Group(shards=shards)
        place = outer or Place(0, size, 0, size)
        _check_machine(engine, place)
        if outer is None:
            if sys.platform == "linux":  # all are on this machine, so nobody else needs to reach them
                os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
            self.host = dist.TCPStore(place.host, 0, is_master=True, wait_for_workers=False)
            place = replace(place, port=self.host.port)
        else:
            open_store(place).set("folder", str(self.run.folder.absolute()))
        round = os.environ.get(ROUND, "0")
        messages = Messages(open_round(place, round))
        messages.put("task", json.dumps(self._describe_task(config, engine, began)))
        self.watch = Watch(place, round, self.signals)
        self.watch.way_out = self._find_way_out()
        if outer is None:
            theirs = replace(place, parent=os.getpid())
            self.watch.children = {rank: _start(replace(theirs, rank=rank, local_rank=rank)) for rank in range(1, size)}
        self.watch.start()
        self.group = Group(0, size, shards, place.local_rank, messages)
        self.group.find_stop, self.group.stop = self.watch.find_stop, self.signals.stop
        self.group.explain = self.watch.explain
        return self.group

    def _describe_task(self, config: DictConfig, engine: "Engine", began: dict[str, Any] | None) -> dict[str, Any]:
        """What the other processes need. They compute as this one does, whatever they would choose themselves."""
        from alexnet.engine.device import get_threads
        from alexnet.engine.winograd import WinogradConv2d

        choices = {"precision": engine.precision, "threads": get_threads()}
        choices["winograd"] = engine.convolution is WinogradConv2d
        theirs = OmegaConf.create({**config, "device": {**config.device, **choices}})
        self.run.ranks.mkdir(exist_ok=True)
        token = uuid4().hex
        (self.run.ranks / "token").write_text(token)
        return {
            "config": OmegaConf.to_yaml(theirs, resolve=True),
            "folder": str(self.run.folder.absolute()),
            "token": token,
            "from_start": self.from_start,
            "began": began,
            "language": asked_for["language"],
            "way_out": self._find_way_out(),
        }

    def _find_way_out(self) -> str:
        return f"To resume it: python scripts/resume.py {quote(str(self.run.folder))}"

    def meet(self, training: "Training", state: "State") -> dict[str, Any]:
        """Waits until all processes are ready, and compares them with this one. Returns what environment.json has of
        them.

        Raises Failure if one of them would start from other weights.
        """
        from alexnet.training.follower import describe_start

        if self.group is None or self.group.messages is None:
            return {}
        own, hosts = describe_start(training, state), []
        others: dict[str, dict[str, Any]] = {}
        for rank in range(1, self.group.size):
            found = json.loads(self.group.messages.wait(f"start/{rank}"))
            if found["sha256"] != own["sha256"]:
                raise Failure(
                    f"Process {rank} on {found['host']} starts from other weights than process 0 on {own['host']}: "
                    f"expected the same versions on all machines, and one disk."
                )
            hosts.append(found["host"])
            differs = {key: value for key, value in found["facts"].items() if value != own["facts"].get(key)}
            for key, value in differs.items():
                warn(
                    "Process {} on {} has {} {}, and process 0 has {}: the numbers may depend on it.",
                    *(rank, found["host"], key, value, own["facts"].get(key)),
                )
            others |= {str(rank): differs} if differs else {}
        (self.run.ranks / "token").unlink(missing_ok=True)
        self.signals.shared = True
        return {"processes": self.group.size, "hosts": sorted({own["host"], *hosts}), "other_processes": others}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Ends the other processes."""
        if self.watch is not None:
            self._end_others(self.watch, error)
        (self.run.ranks / "token").unlink(missing_ok=True)
        self._remove_empty_logs()

    def _end_others(self, watch: "Watch", error: BaseException | None) -> None:
        from alexnet.training.watch import tell_end

        self.signals.shared = False
        watch.stop()
        if self.group is not None and self.group.messages is not None:
            status = 0 if error is None else getattr(error, "exit_status", 1)
            tell_end(self.group.messages.store, 0, status)
            self.group.close()  # a process that waits for this one notices it
        until = monotonic() + PATIENCE
        for child in watch.children.values():
            try:
                child.wait(max(0.1, until - monotonic()))
            except TimeoutExpired:
                child.kill()
                child.wait()

    def _remove_empty_logs(self) -> None:
        for path in self.run.ranks.glob("*.log"):
            if path.stat().st_size == 0:
                path.unlink()
        if self.run.ranks.is_dir() and not any(self.run.ranks.iterdir()):
            self.run.ranks.rmdir()


def _start(place: Place) -> Popen[bytes]:
    """Starts another process on this machine."""
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "alexnet.training.follower", json.dumps(asdict(place))]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # the process inherits this; `follow` lifts it
    try:
        return Popen(command, env={"TORCH_CPP_LOG_LEVEL": "ERROR", **os.environ, "PYTHONPATH": paths}, stdin=DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_machine(engine: "Engine", place: Place) -> None:
    """Raises Mistake if there isn't a GPU for each process of this machine; warns if there isn't a core."""
    import torch

    from alexnet.engine.distributed import SHARE_GPUS

    given = f"device.processes={place.size}"
    gpus = torch.cuda.device_count() if engine.device.type == "cuda" else place.local_size
    if gpus < place.local_size and not SHARE_GPUS:
        raise Mistake(f"{given}: there are GPUs for {gpus} here, and each process needs one. Give {gpus} or fewer.")
    cores = os.cpu_count() or 1
    if engine.device.type == "cpu" and place.local_size > cores:
        warn("{} processes share {} processor cores: fewer would be faster.", place.local_size, cores)
