"""Pure statistics of arrays; they know no simulation, model or run. What they return are records, see `door`."""
