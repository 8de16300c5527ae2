"""How a step is computed: device, precision, convolutions, CUDA graphs. Imports errors and models."""
