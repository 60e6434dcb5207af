"""Questions to answers: retrieve, then answer with what was found."""
