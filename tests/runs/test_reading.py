"""Whoever wrote a folder's files: reading one ends soon, with plain values or one sentence."""

import os
import time

import pytest

from alexnet.errors import Damaged
from alexnet.runs.folder import Run, Sweep
from alexnet.runs.reading import read_json, read_table, read_yaml

FOREVER = 10  # seconds: none of these takes a tenth of one, and unbounded reading takes minutes
YAML = {
    "a number that Python can't print": "a: 0x" + "f" * 20_000,
    "a number in base 60": "a: 1" + ":59" * 5000,
    "a fraction in base 60": "a: 1" + ":59" * 5000 + ".5",
    "a list of pairs": "!!omap [a: 1]",
    "pairs": "a: !!pairs [a: 1]",
    "a set": "a: !!set {b}",
    "bytes": "a: !!binary aGk=",
    "code": "a: !!python/object/apply:os.getcwd []",
    "a tag of its own": "a: !mine 1",
    "a tag that isn't true": "a: !!bool maybe",
    "a number without digits": "a: !!int ''",
    "a list that is called a mapping": "a: !!map [1]",
    "a key twice": "a: 1\na: 2",
    "a list as a key": "? [a]\n: 1",
    "a long key": f"? {'a' * 2000}\n: 1",
    "long keys in each other": "".join(f"{' ' * level}? {'a' * 99}\n{' ' * level}:\n" for level in range(20)) + "1",
    "many keys": "".join(f"k{number}: 1\n" for number in range(100_000)),
    "many values": f"a: [{'1, ' * 100_000}]",
    "a long text": "a: " + "x" * 40_000_000,
    "many levels": "a: " + "[" * 100_000,
    "an alias": "a: &a [1]\nb: *a",
    "no mapping": "- 1",
    "nothing": "",
    "a null byte": "a: \0",
    "no UTF-8": b"a: \xff",
}
JSON = {
    "a long number": '{"a": 1' + "0" * 1000 + "}",
    "many levels": '{"a":' * 1000 + "1" + "}" * 1000,
    "many lists": '{"a": [' + "[]," * 5_000_000 + "1]}",
    "many keys": "{" + ",".join(f'"{number}": 1' for number in range(300_000)) + "}",
    "many texts": '{"a": [' + '"",' * 2_000_000 + "1]}",
    "a long key": '{"' + "a" * 2000 + '": 1}',
    "no end": '{"a": "' + '\\"' * 1_000_000,
    "a long text": '{"a": "' + "x" * 70_000_000 + '"}',
    "a list": "[" + "1," * 1_000_000 + "1]",
    "no JSON": "{a: 1}",
    "a mark before it": "\ufeff{}",
    "no UTF-8": b'{"a": "\xff"}',
}
TABLES = {
    "many columns": "a," * 1_000_000 + "\n",
    "a long cell": "a\n" + "1" * 200_000 + "\n",
    "many rows": "\n" * 50_000_000,
    "another number of cells": "a,b\n1\n",
    "a word": "a\none\n",
    "an open quote": 'a\n"1\n',
    "no UTF-8": b"\xff\xfe\0",
}
CASES = [
    pytest.param(read, content, id=f"{read.__name__}: {name}")
    for read, contents in ((read_yaml, YAML), (read_json, JSON), (read_table, TABLES))
    for name, content in contents.items()
]


@pytest.mark.parametrize("read, content", CASES)
def test_what_no_run_writes_is_damaged_at_once(tmp_path, read, content):
    path = tmp_path / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    start = time.perf_counter()
    with pytest.raises(Damaged, match="file can't be read: ") as damage:
        read(path)
    assert time.perf_counter() - start < FOREVER
    assert len(str(damage.value)) < 2500 and "\n" not in str(damage.value)


@pytest.mark.parametrize("read", [read_yaml, read_json, read_table])
def test_what_is_no_file_is_damaged_and_never_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zeros").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "folder", "zeros", "loop"):
        with pytest.raises(Damaged, match=f"{name} can't be read"):
            read(tmp_path / name)
    assert not read(tmp_path / "missing")


def test_plain_values_are_read_as_they_are(tmp_path):
    """Also a date and a time, as the texts that Hydra makes of them; and a tag of YAML's own that is true."""
    text = "a: 2012-09-30\nb: [1, 1.5, true, null, 'x', {c: 1.0e-05}]\nd: !!str 1\ne: {<<: {f: 1}, f: 2}\n"
    (tmp_path / "file").write_text(text)
    values = {"a": "2012-09-30", "b": [1, 1.5, True, None, "x", {"c": 1e-5}], "d": "1", "e": {"f": 2}}
    assert read_yaml(tmp_path / "file") == values


def test_a_result_of_a_thousand_classes_and_a_table_of_a_long_run_are_read(tmp_path):
    run = Run(tmp_path)
    matrix = [[0] * 1000 for _ in range(1000)]
    classes = {f'the "{number}" \\ \u732b': 0.5 for number in range(1000)}
    result = {"status": "finished", "per_class_accuracy": classes, "confusion_matrix": matrix}
    run.write_result(result)
    assert run.result() == {**result, "tables": {"losses.csv": [0, None], "epochs.csv": [0, None]}}
    (tmp_path / "losses.csv").write_text("step,loss,learning_rate\n" + "1,2.5,\n" * 100_000)
    assert run.windows() == [{"step": 1, "loss": 2.5, "learning_rate": None}] * 100_000


def test_a_half_written_row_is_no_row(tmp_path):
    (tmp_path / "epochs.csv").write_text("epoch,loss\n1,2.5\n2,1")
    assert Run(tmp_path).epochs() == [{"epoch": 1, "loss": 2.5}]


def test_the_settings_of_a_sweep_are_read_as_safely(tmp_path):
    (tmp_path / "multirun.yaml").write_text("hydra: !!omap [a: 1]")
    with pytest.raises(Damaged, match=r"multirun\.yaml can't be read"):
        Sweep(tmp_path).settings()


def test_a_damaged_yaml_is_told_by_line_and_column_only(tmp_path):
    (tmp_path / "file").write_text("a: 1\nb: [1, ")
    with pytest.raises(Damaged, match="in line 3, column 1") as damage:
        read_yaml(tmp_path / "file")
    assert "unicode string" not in str(damage.value)
