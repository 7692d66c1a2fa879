"""Long runs of a whole terminal with power cuts: `make soak`, and what a short slice of it in `make test` shares."""
