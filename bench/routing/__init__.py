"""The router against the proven optimum and against what a simpler one would do: `python -m bench --only routing`."""
