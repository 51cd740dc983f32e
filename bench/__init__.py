"""Measurements of the verifier; `python -m bench` is the door, README.md holds figures."""
