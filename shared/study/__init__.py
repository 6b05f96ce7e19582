"""Studies: one file names rows, seeds and metrics; one command trains, evaluates, compares and draws them all."""
