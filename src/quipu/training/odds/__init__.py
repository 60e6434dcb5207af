"""How probable what the reader of memories says is right, and which chains of pairs lead to an answer."""
