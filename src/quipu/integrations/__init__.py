"""Memories inside other frameworks: LangChain, LlamaIndex, Haystack, Hugging Face datasets; a module each.

Nothing here is loaded by ``import quipu``; each module needs the extra of its name. See docs/integrations.md.
"""
