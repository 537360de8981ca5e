"""Runs side by side: what differs in what they were made from, and whether it is more than luck."""
