"""Judging forecasts and strategies; pure functions of arrays and tables."""
