"""Where work runs: in processes of this machine, on a cluster, in a child that may be killed."""
