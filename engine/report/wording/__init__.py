"""What a run comes to, in words and in a few numbers: for the terminal, the pages and everyone."""
