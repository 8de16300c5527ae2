"""What the tests of scripts/compare.py share."""

import json

from support.programs import ROOT

SCRIPT = ROOT / "scripts" / "compare.py"
FIRST, SECOND = (0.90, 0.92, 0.91), (0.80, 0.85, 0.81)  # accuracies of the fixture `sweep`, over seeds 0, 1, 2


def parse_json(ended):
    """What a command `compare(..., "--json")` printed."""
    assert ended.status == 0, ended.stderr
    return json.loads(ended.stdout)


def list_configurations(ended):
    return parse_json(ended)["configurations"]
