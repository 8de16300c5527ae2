"""Offers the launchers and the sweepers in the package where Hydra looks for plugins.

hydra_plugins itself has no __init__.py: other packages put their plugins there too.
"""

from alexnet.launch.join import Join
from alexnet.launch.parallel import Parallel
from alexnet.launch.ray import Ray
from alexnet.launch.search import Search
from alexnet.launch.slurm import Slurm

__all__ = ["Join", "Parallel", "Ray", "Search", "Slurm"]
