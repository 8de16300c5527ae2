import pytest

from support.tracked import track


@pytest.fixture
def send(monkeypatch, capsys, tmp_path):
    """send(FOLDER, "--to", ...) gives (new, updated, unchanged) after scripts/track.py; it must work."""
    monkeypatch.chdir(tmp_path)

    def send(*arguments):
        status, out, err = track(monkeypatch, capsys, *arguments)
        assert (status, err) == (0, "")
        return tuple(int(word) for word in out.replace(",", "").split() if word.isdigit())

    return send


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """refused(FOLDER, "--to", ...) gives the status and the sentence of scripts/track.py; it must be one."""
    monkeypatch.chdir(tmp_path)

    def refused(*arguments):
        status, _, err = track(monkeypatch, capsys, *arguments)
        assert err.count("\n") == 1 and len(err) < 3000
        return status, err

    return refused
