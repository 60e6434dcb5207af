"""Near-twins: questions alike in words and different in answer, made by rule and by hand, and true paraphrases."""
