"""What the benchmarks of serving share: models with random weights, and the peers that serve them."""
