"""What track.py sent, in a real MLflow server on a database, as its client reads it."""

import json
import multiprocessing
import os
import random
import runpy
import socket
import subprocess
import sys
import time

import pytest

from alexnet.runs.folder import Run
from alexnet.tracking.snapshot import identify
from support.programs import ROOT
from support.servers import serve
from support.tracked import Life, list_options, list_points

pytest.importorskip("mlflow.server", reason="MLflow isn't installed: pip install mlflow")
from mlflow import MlflowClient, set_tracking_uri
from mlflow import search_runs as search_table

MLFLOW = ("--to", "mlflow")
FORK = multiprocessing.get_context("fork")  # MLflow takes seconds to import
AS_PROGRAM = {"run_name": "__main__"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    command = ["env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", sys.executable, "-m", "mlflow", "server"]
    command += ["--port", str(port), "--workers=1"]
    folder = tmp_path_factory.mktemp("server")
    address = f"http://localhost:{port}"
    with serve(*command, "--backend-store-uri=sqlite:///mlflow.db", address=address, cwd=folder):
        yield address


@pytest.fixture
def client(server, monkeypatch, request):
    """Of an experiment of the test's own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    set_tracking_uri(server)
    return MlflowClient(server)


def list_runs(client):
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    runs = [] if experiment is None else client.search_runs([experiment.experiment_id])
    return {run.info.run_name: run for run in runs}


def list_sent(client, run):
    """As list_points gives it; a point that is there twice is twice in it."""
    names = [name for name in run.data.metrics if "/" in name]
    return {
        name: sorted((each.step, each.value) for each in client.get_metric_history(run.info.run_id, name))
        for name in names
    }


def test_a_sweep_is_a_parent_with_children_and_the_table_is_that_of_compare(send, client, tmp_path):
    sweep = tmp_path / "outputs" / "sweep"
    lives = [Life(sweep / str(number), id=str(number) * 32) for number in range(3)]
    settings = {"launcher": {}, "sweeper": {}, "sweep": {}, "overrides": {"task": [], "hydra": []}}
    (sweep / "multirun.yaml").write_text(json.dumps({"hydra": settings}))
    lives[1].write(8, 2, test_accuracy=0.5)
    lives[2].write(5, 1, "interrupted")
    assert send("outputs", *MLFLOW) == (3, 0, 0)
    assert send("outputs", *MLFLOW) == (0, 0, 3)
    runs = list_runs(client)
    parent = runs.pop("outputs/sweep")
    assert (len(runs), parent.info.status) == (3, "KILLED")
    for number, life in enumerate(lives):
        run = runs[f"sweep/{number}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == ("KILLED" if number == 2 else "FINISHED")
        assert run.data.params == list_options(life.folder)
        assert list_sent(client, run) == list_points(life.folder)
        assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["result.json"]
    table = search_table(experiment_names=[os.environ["MLFLOW_EXPERIMENT_NAME"]])
    command = [sys.executable, str(ROOT / "scripts" / "runs.py"), "outputs", "--json"]
    compared = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout)
    for each in compared[:2]:
        (row,) = table[table["tags.mlflow.runName"] == "/".join(each["folder"].split("/")[-2:])].to_dict("records")
        figures = {name: value for name, value in each["metrics"].items() if not name.startswith("per_class")}
        assert figures == {name: row[f"metrics.{name}"] for name in figures} and len(figures) > 10


def test_a_resumed_run_has_each_step_once_and_stays_one_run(send, client, tmp_path):
    life = Life(tmp_path / "a" / "run")
    for state, done in (
        ({"windows": 6, "epochs": 1, "status": None}, (1, 0, 0)),
        ({"windows": 2, "epochs": 0, "status": None, "starts": 2}, (0, 0, 1)),  # cut back, and no new row yet
        ({"windows": 4, "epochs": 0, "status": None, "starts": 2, "faster": 2}, (0, 1, 0)),
        ({"windows": 8, "epochs": 2, "starts": 2, "faster": 2}, (0, 1, 0)),
        ({"windows": 8, "epochs": 2, "starts": 3, "faster": 3}, (0, 1, 0)),
    ):
        life.write(**state)
        assert send("a", *MLFLOW) == done
        (run,) = list_runs(client).values()
        if state["windows"] != 2:
            assert list_sent(client, run) == list_points(life.folder)
            assert run.info.status == ("RUNNING" if "status" in state else "FINISHED")
    copy = Life(tmp_path / "b" / "copy")
    copy.write(6, 1, None)
    assert send("b", *MLFLOW) == (0, 0, 1)
    (run,) = list_runs(client).values()
    assert list_sent(client, run) == list_points(life.folder) and run.info.status == "FINISHED"


def test_killed_at_any_moment_it_is_called_again_and_nothing_is_doubled_or_missing(send, client, tmp_path, monkeypatch):
    """Also while a resumed run takes the place of what was sent before."""
    lives = [Life(tmp_path / "outputs" / str(number), id=str(number) * 32) for number in range(3)]
    send("outputs", *MLFLOW)
    for life in lives:
        life.write(8, 2, starts=2, faster=2)
    monkeypatch.setattr(sys, "argv", ["track.py", "outputs", *MLFLOW])
    for kill in range(8):
        process = FORK.Process(target=runpy.run_path, args=[str(ROOT / "scripts" / "track.py")], kwargs=AS_PROGRAM)
        process.start()
        process.join(random.Random(kill).uniform(0, 2))
        process.kill()
        process.join()
    new, updated, unchanged = send("outputs", *MLFLOW)
    assert (new, updated + unchanged) == (0, 3)
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["alexnet.id"] for run in runs) == sorted(
        identify(Run(life.folder)).id for life in lives
    )
    for run in runs:
        assert list_sent(client, run) == list_points(lives[0].folder)


def test_a_server_that_is_not_there_is_one_sentence_soon(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    Life(tmp_path / "run")
    began = time.monotonic()
    status, err = refused("run", *MLFLOW, "--server", "http://user:password@localhost:9")
    assert status == 1 and "MLflow at localhost:9: it can't be reached." in err and "password" not in err
    assert time.monotonic() - began < 30
