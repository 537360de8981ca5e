"""Jobs: long work as the product's own commands in processes of their own; never lost, never run twice."""
