"""Deletes of a finished run's checkpoints what its option `keep` doesn't keep."""

import logging

from alexnet.errors import Damaged
from alexnet.messages.console import translate
from alexnet.runs.folder import Run

logger = logging.getLogger(__name__)


def prune(run: Run, to_be_tested: bool = True) -> None:
    """Leaves the checkpoints that config.yaml's `keep` says, once result.json says that the run is done.

    A kill in between loses nothing that is kept, and the next call completes it. to_be_tested: whether weights stay
    until they have been tested, whatever `keep` says.
    """
    linked = run.checkpoints.is_symlink()  # to another folder, whose files aren't this run's to delete
    try:
        if linked or not run.checkpoints.is_dir() or not run.is_done():
            return
        keep = run.config().get("keep", "all")
        if keep not in ("weights", "none"):
            return
        from alexnet.runs import checkpoints  # torch takes seconds to import

        with_weights = keep == "weights" or (to_be_tested and run.is_untested)
        checkpoints.prune(run.checkpoints, with_weights)
    except (OSError, Damaged) as error:
        logger.warning(translate("All checkpoints stay in {}: {}").format(run.checkpoints, error))
