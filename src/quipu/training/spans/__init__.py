"""How spans that are read from token codes are weighed and how probable they are."""
