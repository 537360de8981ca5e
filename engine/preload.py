"""What worker processes need, imported once by the server that they are forked from; see `engine.parallel`."""

import gc

import engine.walkforward
import models.baselines

__all__ = ["engine", "models"]

gc.freeze()  # what is here stays: neither a worker nor the end of the server need look through it
