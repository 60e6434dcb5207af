"""The server: memories behind HTTP and MCP. What it stands on (fastapi, uvicorn, mcp, ...) is used only here."""
