"""What each screen says, as plain values: finished sentences and numbers, from folders of runs, logs and books."""
