"""Thousands of policy settings on the same forecasts."""
