"""Train the verifier; see ``quipu.models.verifier``."""
