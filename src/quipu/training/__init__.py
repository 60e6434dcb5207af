"""Training: the only room that imports torch. Every trainable thing has model.py, data.py and train.py."""
