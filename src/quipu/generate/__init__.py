"""Passages to pairs: answers, questions, the filters and deduplication."""
