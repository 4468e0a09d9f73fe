"""The steps, one module each, in plain Python: called the same way by assets, commands and benchmarks."""
