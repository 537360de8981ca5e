"""Walk-forward training."""
