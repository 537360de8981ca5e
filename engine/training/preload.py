"""What worker processes need, imported once by the server that they are forked from; see `forewalk.compute.pool`."""

import gc

import engine.training.walkforward
import models.baselines.simple
import models.recurrent.forecaster

__all__ = ["engine", "models"]

gc.freeze()  # what is here stays: neither a worker nor the end of the server need look through it
