"""Claims of the papers tested again, and the baselines beside them."""
