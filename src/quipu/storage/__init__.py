"""The stored pairs: the record (SQLite), the words (FTS5) and the vectors' index (FAISS). Knows no models."""
