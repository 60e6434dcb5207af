"""The key encoder: a question and the text of a stored pair, near each other when the pair answers it."""
