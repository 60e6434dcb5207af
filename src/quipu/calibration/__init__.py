"""How probable an answer is: the scorers of all steps, fitted on questions whose answers are known."""
