"""What a message promises to a terminal, whatever is in it, and to a reader that ends early."""

import os
import subprocess
import sys

import pytest

from alexnet.errors import Damaged, Diverged, Failure, Mistake, make_printable, mistakes_end_the_program
from support.programs import ROOT

CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0x202E, 0x2066, 0xFEFF]


@pytest.mark.parametrize("kind", [Mistake, Damaged, Failure, Diverged])
def test_nothing_in_a_message_controls_the_terminal_or_breaks_the_line(kind):
    message = "".join(f"{chr(code)}a" for code in CONTROLS)
    shown = str(kind(message))
    assert not any(chr(code) in shown for code in CONTROLS)
    assert shown.count("a") > len(CONTROLS) and "\\x1b" in shown and "\\u202e" in shown


def test_what_a_name_hides_is_shown_as_python_writes_it():
    assert make_printable("a\x1b]0;b\x07\n\u200bc\ud800\U000e0041") == r"a\x1b]0;b\x07\n\u200bc\ud800\U000e0041"
    assert make_printable("l\u200dr") == r"l\u200dr"  # between Latin letters it only hides


@pytest.mark.parametrize("text", ["optimizer.lr=1e-3", "网络\u3000é \xa0ß", "👩\u200d💻 👍🏽 ❤\ufe0f", "می\u200cخواهم"])
def test_normal_text_of_any_language_stays_as_it_is(text):
    assert make_printable(text) == text and str(Mistake(text)) == text


def test_a_message_with_a_huge_value_keeps_what_is_around_it():
    shown = str(Mistake(f"model.activation={'r' * 20_000_000}: expected one of relu, tanh."))
    assert shown.startswith("model.activation=rrr") and shown.endswith("r: expected one of relu, tanh.")
    assert "..." in shown and len(shown) < 2500


def test_a_mistake_is_one_line_on_stderr(capsys):
    with pytest.raises(SystemExit) as end, mistakes_end_the_program():
        raise Mistake("lr=\x1b[31m\n  2: expected less.")
    assert (end.value.code, capsys.readouterr()) == (2, ("", "lr=\\x1b[31m 2: expected less.\n"))


def test_ctrl_c_in_the_import_of_a_compiled_library_is_ctrl_c(capsys):
    with pytest.raises(SystemExit) as ended, mistakes_end_the_program():
        raise ImportError("initialization failed") from KeyboardInterrupt()
    assert ended.value.code == 130 and capsys.readouterr().err == "stopped by SIGINT\n"
    with pytest.raises(ImportError, match="initialization failed"), mistakes_end_the_program():
        raise ImportError("initialization failed")


def test_in_a_terminal_a_mistake_is_as_wide_as_it(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    names = "alexnet, alexnet_2012, alexnet_cifar, cuda_convnet"
    with pytest.raises(SystemExit), mistakes_end_the_program():
        raise Mistake(f"model=resnet18: there is no such model; there are {names}. Try: python scripts/x.py a=1 b/c")
    assert capsys.readouterr().err.splitlines() == [
        "model=resnet18: there is no such model; there are alexnet, alexnet_2012,",
        "  alexnet_cifar, cuda_convnet. Try: python scripts/x.py a=1 b/c",
    ]


@pytest.mark.parametrize(
    "ending, status",
    [("print('x' * 99999)", 0), ("sys.exit(1)", 1), ("raise Mistake('given: expected')", 2)],
)
def test_a_reader_that_ends_first_ends_a_program_quietly(ending, status):
    """With the program's own exit status, if it got so far."""
    program = f"import sys; from alexnet.errors import *\nwith mistakes_end_the_program(): print('x'); {ending}"
    shell = f"('{sys.executable}' -c \"$1\"; echo $? >&2) | true"
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # "x" is still to be written at the end
    command = ["sh", "-c", shell, "sh", program]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert process.stderr.splitlines() == ["given: expected"] * (status == 2) + [str(status)]
