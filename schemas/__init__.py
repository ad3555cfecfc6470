"""What things are: types, units and bounds.  Imports nothing of ours."""
