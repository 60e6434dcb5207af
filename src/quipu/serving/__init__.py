"""The server: memories behind HTTP. what it stands on (fastapi, uvicorn, prometheus_client) is used only here."""
