"""QuIP: a bi-encoder that answers questions by inner product, taught by a cross-encoder (arXiv 2106.08190)."""
