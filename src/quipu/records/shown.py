"""How a notebook is shown an object: asked by the object itself, answered by ``quipu.showing``."""

from __future__ import annotations


class Shown:
    """What a notebook shows by itself; ``quipu.showing`` says how, and is loaded only then."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from quipu.showing import as_html

        return as_html(self)

    def _repr_markdown_(self) -> str:
        from quipu.showing import as_markdown

        return as_markdown(self)
