"""A Ray cluster on this machine, for tests. Only who knows its token can use it."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.programs import ROOT

RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]


class Cluster:
    """Nodes are processes of this machine. environment: of programs that use the cluster."""

    def __init__(self, *options):
        self.folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: sockets lie in it, whose paths are limited
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        }
        self.nodes = []
        self.start("--head", "--port=0", f"--temp-dir={self.folder}", "--include-dashboard=false", *options)
        self.environment["RAY_ADDRESS"] = self._wait_for(self.folder / "ray_current_cluster")

    def start(self, *options):
        """Starts a node and returns its process."""
        command = [*RAY, "start", "--block", "--disable-usage-stats", *options]
        with open(self.folder / f"node{len(self.nodes)}.log", "wb") as log:
            environment = {**os.environ, **self.environment}
            self.nodes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return self.nodes[-1]

    def _wait_for(self, path):
        for _ in range(300):
            if path.is_file() and (address := path.read_text().strip()):
                return address
            assert self.nodes[0].poll() is None, (self.folder / "node0.log").read_text()
            time.sleep(0.1)
        raise AssertionError((self.folder / "node0.log").read_text())

    def wait_for_nodes(self, number):
        """Waits until so many are alive."""
        alive = "sum(node['Alive'] for node in ray.nodes())"
        text = f"import ray, time; ray.init('auto')\nwhile {alive} < {number}: time.sleep(0.1)"
        subprocess.run([sys.executable, "-c", text], env={**os.environ, **self.environment}, check=True, timeout=60)

    def stop(self):
        """Ends all its processes, and waits until they have."""
        for node in reversed(self.nodes):
            node.terminate()
        for node in self.nodes:
            node.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)
