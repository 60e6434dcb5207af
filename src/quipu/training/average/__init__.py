"""Mean weights of several trainings of one network."""
