"""Composed multi-hop questions over a memory, split by entity."""
