"""How a step is computed: device, precision, faster layers, CUDA graphs, processes. Imports errors and models."""
