"""From a decision to orders at the broker: gate, sender, reconciliation, an operator's commands."""
