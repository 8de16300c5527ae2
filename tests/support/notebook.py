"""Runs the cells of notebooks/tour.ipynb without Jupyter, and with what they gave writes the notebook again.

PYTHONPATH=tests .venv/bin/python tests/support/notebook.py
"""

import ast
import base64
import contextlib
import io
import json
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

from support.programs import ROOT, run_script

NOTEBOOK = ROOT / "notebooks" / "tour.ipynb"
WIDEST = 720  # pixels of a picture that is stored


def read_cells(notebook):
    """(cell, its source) for each cell of code."""
    return [(cell, "".join(cell["source"])) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(notebook, folder):
    """The outputs of each cell of code, as the notebook stores them, when its folder is `folder`.

    A cell is Python, or after %%bash what a shell gets: here only the scripts' commands and rm -rf.
    """
    here = Path.cwd()
    os.chdir(folder)
    try:
        names = {}
        return [
            _run_shell(source) if source.startswith("%%bash") else _run_python(source, names)
            for _, source in read_cells(notebook)
        ]
    finally:
        os.chdir(here)


def _run_shell(source):
    outputs = []
    for line in source.splitlines()[1:]:
        program, script, *arguments = shlex.split(line)
        if program == "rm":
            assert script == "-rf"
            for name in arguments:
                shutil.rmtree(name, ignore_errors=True)
            continue
        assert program == "python" and script.startswith("../scripts/")
        done = run_script([sys.executable, str(ROOT / script.removeprefix("../")), *arguments], Path.cwd())
        assert done.returncode == 0, done.stderr
        if done.stdout:  # stderr has lines that a slow machine prints in place of a bar
            outputs.append(_stream(done.stdout))
    return outputs


def _run_python(source, names):
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, "cell", "exec"), names)
        value = eval(compile(last, "cell", "eval"), names) if last else None
    outputs = [_stream(printed.getvalue())] if printed.getvalue() else []
    if value is not None:
        data = {"text/plain": [repr(value)]}
        if isinstance(value, Image.Image):
            data = {"image/png": _shrink(value), "text/plain": ["a picture"]}
        outputs.append({"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data})
    return outputs


def _stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def _shrink(picture):
    """The picture as small as a page shows it, in base64."""
    picture = picture.convert("RGB")
    picture.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.quantize(64).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "notebooks").mkdir()
        given = run(notebook, Path(place) / "notebooks")
    for number, ((cell, _), outputs) in enumerate(zip(read_cells(notebook), given, strict=True), 1):
        for output in outputs:
            output.update({"execution_count": number} if "execution_count" in output else {})
        cell.update(outputs=outputs, execution_count=number)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
