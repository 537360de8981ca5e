"""Models of the daemon: files, a process of their own, retraining."""
