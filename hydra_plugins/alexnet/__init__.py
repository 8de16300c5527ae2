"""Offers the launcher and the sweeper in the package where Hydra looks for plugins.

hydra_plugins itself has no __init__.py: other packages put their plugins there too.
"""

from alexnet.launch.parallel import Parallel
from alexnet.launch.search import Search

__all__ = ["Parallel", "Search"]
