"""Sockets, faults, control and storage around the world."""
