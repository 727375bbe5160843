"""Speed and quality of the engine beside its peers: ``python -m benchmarks.run --help``."""
