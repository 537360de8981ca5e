"""What stands before every request: the host it names, the size of its body; and the headers behind every answer."""
