"""The probability that ships: fitted on questions that no model was trained on, over memories made for it."""
