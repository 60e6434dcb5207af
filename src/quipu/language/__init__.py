"""English: its word lists, inflections and opposites, sentences, and telling it from other languages."""
