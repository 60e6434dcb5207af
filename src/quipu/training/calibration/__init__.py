"""The fit that ships: memories of labelled sets that no model was trained on, and questions about them."""
