"""The language model of quipu, as files: the folder ``lm`` beside this file, with ``model.json`` and a card.

quipu finds it by this package's place and reads it without importing it.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
