"""The cross-encoder reader: question and passage in, answer span or no answer out."""
