"""What the pages for the quant show: the surface of a sweep, and how a live book drifts."""
