"""The small models of quipu, as files: each folder beside this file is one, with ``model.json`` and a card.

quipu finds them by this package's place and reads them without importing it.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
