"""Tags and a note on a run: given as a person types them, kept in its folder, changed later, searched for."""

import shutil

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from alexnet.comparison.compare import compare
from alexnet.comparison.records import filter_records, read, read_all
from alexnet.config.checks import check
from alexnet.config.overrides import make_parsable
from alexnet.errors import Mistake
from alexnet.launch.resume import resume
from alexnet.runs.folder import Run
from support.programs import ROOT
from support.run_folders import content, make


@pytest.mark.parametrize(
    "note",
    [
        "first, then slower",
        "5",
        "true",
        "it's (a [test]",
        'a "quoted" word, and \\',
        "a=b",
        "图像：试",
        "choice(1,2)",
        r"C:\a, \'b\'",
    ],
)
def test_a_note_is_the_text_that_was_typed_and_never_a_sweep(compose, note):
    given = [make_parsable(f"note={note}"), make_parsable("tags=[wide,图像,v1.2,3]")]
    config = compose(*given)
    check(config)
    assert config.note == note and list(config.tags) == ["wide", "图像", "v1.2", "3"]
    overrides = OverridesParser.create().parse_overrides(given)
    assert not any(override.is_sweep_override() for override in overrides)


def test_a_note_may_be_given_in_the_quotes_of_hydras_grammar(compose):
    assert compose(make_parsable("note='a, b'")).note == "a, b"
    assert compose(make_parsable("note=null")).note is None
    assert compose(make_parsable("note=")).note == ""


@pytest.mark.parametrize(
    "given, expected",
    [
        ("tags=wide", "a list of words"),
        ("tags=[a b]", "a list of words"),
        ("tags=['\x1b[31m']", "a list of words"),
        (f"tags=[{'a' * 41}]", "at most 40 characters"),
        ("note=a\nb", "in one line"),
        (f"note={'a' * 501}", "at most 500 characters"),
    ],
)
def test_what_is_no_tag_or_note_is_refused(compose, given, expected):
    with pytest.raises(Mistake, match=expected):
        check(compose(make_parsable(given)))


def test_tags_change_no_configuration_and_can_be_given_to_a_finished_run(trained, compose, small, capsys):
    run = trained("tags=[a]", "note=first")
    before = content(run)
    assert resume(str(run.folder), ["tags=[b,c]", "note=better, I think"]) == 0
    assert "Changed: tags, note." in capsys.readouterr().out
    assert (run.config()["tags"], run.config()["note"]) == (["b", "c"], "better, I think")
    changed = {name for name, data in content(run).items() if data != before[name]}
    assert {name.rpartition("/")[2] for name in changed} == {"config.yaml", "environment.json"}
    other = trained("note=null", folder="other")
    assert len(compare([read(run), read(other)]).configurations) == 1
    assert resume(str(run.folder), ["epochs=2"]) == 0 and run.config()["tags"] == ["b", "c"]


def test_a_run_of_version_0_1_0_can_be_given_tags(tmp_path, capsys):
    folder = shutil.copytree(ROOT / "tests/support/run_of_0_1_0", tmp_path / "run")
    assert resume(str(folder), ["tags=[old]"]) == 0
    assert "has no tags" not in capsys.readouterr().out
    record = read(Run(folder))
    assert record.finished and record.config["tags"] == ("old",)
    assert resume(str(folder), []) == 0


def test_where_finds_a_run_by_one_of_its_tags_and_by_words_of_its_note(tmp_path):
    for number, tags in enumerate((["a", "wide"], ["b"], [])):
        make(tmp_path / str(number), {"seed": number, "tags": tags, "note": "As in the Paper" if number else None})
    make(tmp_path / "old")
    records = read_all([str(tmp_path)], print)

    def find(*conditions):
        return [record.run.folder.name for record in filter_records(records, conditions)]

    assert find("tags=wide") == ["0"] and find("tags=b", "note=paper") == ["1"] and find("note=null") == ["0"]
    with pytest.raises(Mistake, match="no run has that value"):
        find("tags=wi")
