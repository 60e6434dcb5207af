"""Plain systems on the same questions: what quipu must be compared with."""
