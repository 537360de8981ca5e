"""Forecasters. torch is imported here and nowhere else."""
