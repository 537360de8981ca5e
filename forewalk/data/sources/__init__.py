"""Where bars come from; each file returns a table as delivered."""
