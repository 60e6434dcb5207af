"""A language model behind an OpenAI-compatible URL: it writes, reads and judges pairs, at a price that is bounded.

httpx2 lives here alone, and is loaded with the first request.
"""
