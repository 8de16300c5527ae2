"""Where Hydra looks for launchers and sweepers; hydra_plugins itself is shared with others, so it has no __init__."""

from alexnet.launch.parallel import Parallel
from alexnet.launch.search import Search

__all__ = ["Parallel", "Search"]
