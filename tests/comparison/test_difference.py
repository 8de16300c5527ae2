"""What --diff shows."""

import json

from support.comparisons import parse_json
from support.run_folders import make


def test_diff_shows_only_what_differs_in_configuration_and_environment(compare, tmp_path):
    make(tmp_path / "a", {"optimizer.lr": 0.1})
    make(tmp_path / "b", {"language": "zh"})
    environment = {"python": "3.12.0", "data_sha256": "abc", "started": "2012-09-30", "earlier": [{"python": "3.10.0"}]}
    (tmp_path / "b" / "environment.json").write_text(json.dumps(environment))
    rows = parse_json(compare("--diff", "a", "b", "--json"))
    assert rows == [
        {"key": "language", "a": "en", "b": "zh"},
        {"key": "optimizer.lr", "a": "0.1", "b": "0.01"},
        {"key": "environment.python", "a": "3.11.2", "b": "3.12.0"},
    ]
