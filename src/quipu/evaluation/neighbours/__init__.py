"""Twenty invented documents with questions that they answer, and next-door questions that they only seem to answer."""
