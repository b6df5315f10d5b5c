"""The benchmark suite: `python -m bench --help`. One file for each idea; docs/performance.md explains the figures."""
