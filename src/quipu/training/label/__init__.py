"""Soft labels: what the teacher says to every question of every passage, kept on disk."""
