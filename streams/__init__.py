"""What should happen: pure folds and decisions.  No clock, no I/O, no logging."""
