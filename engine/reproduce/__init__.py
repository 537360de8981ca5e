"""Rerun a run from its folder and compare."""
