"""The language model that writes questions and reads passages: its base, its training, its data, its export."""
