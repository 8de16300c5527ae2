"""Trackers' own servers, on this machine, as their users start them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from urllib.parse import urlencode


@contextmanager
def serve(*command, address=None, cwd=None):
    """Its address, as soon as it answers. address: None if the command prints it."""
    shown = subprocess.PIPE if address is None else subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=cwd, stdout=shown, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        while address is None:
            line = process.stdout.readline()
            assert line, "it ended"
            address = next(iter(re.findall(r"http://localhost:\d+", line)), None)
        wait_for(lambda: urllib.request.urlopen(address, timeout=10).status == 200, seconds=240)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        process.wait()


@contextmanager
def tensorboard(folder, *options):
    """get("scalars/scalars", run="0", tag="loss") gives what a browser gets of the event files in the folder."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port=0", "--reload_interval=1"]
    with serve(*map(str, command), *options) as address:

        def get(path, body=None, **query):
            request = urllib.request.Request(
                f"{address}/data/plugin/{path}?{urlencode(query)}",
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                content = answer.read()
            return content if path == "images/individualImage" else json.loads(content)

        yield get


def wait_for(condition, seconds=60):
    """What the condition gives, as soon as that is true."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except (OSError, KeyError):
            pass
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
