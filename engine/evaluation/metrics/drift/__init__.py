"""Drift: is what is seen now still what the walk-forward led to expect?"""
