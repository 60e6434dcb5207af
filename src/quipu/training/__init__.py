"""Training: the only room that imports torch. A model has data.py, model.py and train.py."""
