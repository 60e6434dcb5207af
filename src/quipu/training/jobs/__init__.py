"""What makes training data: questions, labels, memories, and means of weights; no network of its own."""
