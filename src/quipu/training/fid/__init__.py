"""Readers of passages of a memory reader's size: the rivals of QAMAT."""
