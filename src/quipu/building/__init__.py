"""Documents and ready pairs into an open store; each step can be interrupted and called again."""
