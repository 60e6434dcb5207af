"""The language model at run time: writes questions, reads passages and pairs, scores answers."""
