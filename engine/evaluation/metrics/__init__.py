"""Pure statistics of arrays; they know no simulation, model or run."""
