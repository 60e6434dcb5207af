"""The server of MCP, the Model Context Protocol: what the agents of people are told and asked.

It stands on the SDK's low-level server, which leaves the checks to us: arguments are checked as strictly as the API's,
and a client is shown the tools and memories that its token is for.
"""

from __future__ import annotations

import asyncio
import json
import re
import traceback
from typing import Any
from urllib.parse import unquote

from fastapi.exceptions import RequestValidationError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from mcp_types import Tool as ToolShown
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import quipu
from quipu.memory import Memory
from quipu.serving.context import Context, read
from quipu.serving.frame import exchange_of
from quipu.serving.mcp_texts import INSTRUCTIONS, resource
from quipu.serving.mcp_tools import TOOLS, Caller, Tool
from quipu.serving.problems import Problem, problem_of
from quipu.serving.stored import find_documents, find_pair
from quipu.text import finite

PATH = "/mcp"
PAGE = 100
"""Documents that are listed at once."""
_RESOURCE = re.compile(r"quipu://([^/]+)/(documents|pairs)/([0-9a-f]{1,32})")
_UNSERVED = ("not_ready", "draining")
Asked = ServerRequestContext[Any, Request]


class McpServer:
    """The memories of ``context`` by MCP; ``server`` is the SDK's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.server: Server[Any] = Server(
            "quipu", version=quipu.__version__, title="quipu", instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools, on_call_tool=self._call_tool, on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates, on_read_resource=self._read_resource,
        )  # fmt: skip

    async def _list_tools(self, asked: Asked, _: PaginatedRequestParams | None) -> ListToolsResult:
        caller = Caller(self._context, asked.request)
        names = list(caller.memories)
        shown = [_shown(name, tool, names) for name, tool in TOOLS.items() if not tool.writes or caller.may_write]
        return ListToolsResult(tools=shown)

    async def _call_tool(self, asked: Asked, call: CallToolRequestParams) -> CallToolResult:
        """What the tool gives; what is wrong with a call is a result too, so that the model can mend it."""
        tool = TOOLS.get(call.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {call.name}")
        caller = Caller(self._context, asked.request)
        try:
            if tool.writes:
                caller.check_writing()
            text, found = await tool.run(caller, tool.arguments.model_validate(call.arguments or {}))
        except MCPError:
            raise
        except Exception as error:
            problem = self._problem(asked, error)
            if problem.code in _UNSERVED:
                raise MCPError(INTERNAL_ERROR, problem.detail, {"code": problem.code}) from error
            return CallToolResult(content=[TextContent(text=problem.detail)], is_error=True)
        fields = found.model_dump(mode="json") if isinstance(found, BaseModel) else dict(found)
        return CallToolResult(content=[TextContent(text=text)], structured_content=finite(fields))

    async def _list_templates(self, asked: Asked, _: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        templates = []
        for name in Caller(self._context, asked.request).memories:
            templates += [
                ResourceTemplate(
                    name=f"{name}/documents", uri_template=f"{resource(name, 'documents', '')}{{id}}",
                    description=f"The text of a document of {name}.", mime_type="text/plain",
                ),
                ResourceTemplate(
                    name=f"{name}/pairs", uri_template=f"{resource(name, 'pairs', '')}{{id}}",
                    description=f"Where a stored pair of {name} comes from.", mime_type="application/json",
                ),
            ]  # fmt: skip
        return ListResourceTemplatesResult(resource_templates=templates)

    async def _list_resources(self, asked: Asked, page: PaginatedRequestParams | None) -> ListResourcesResult:
        """The documents, a page at a time, memory after memory. A cursor: a document's place, and its memory."""
        memories = Caller(self._context, asked.request).memories
        given = None if page is None else page.cursor
        after, _, name = (given or "").partition(".")
        names = list(memories)
        name = name or next(iter(names), "")
        if not name:
            return ListResourcesResult(resources=[])
        if name not in memories:
            raise MCPError(INVALID_PARAMS, "this is no cursor of a list of resources")
        try:
            found = await asyncio.to_thread(
                read, memories[name], lambda memory: find_documents(memory, None, PAGE, after or None)
            )
        except Problem as problem:
            raise MCPError(INVALID_PARAMS, "this is no cursor of a list of resources") from problem
        listed = [
            Resource(
                uri=resource(name, "documents", document["id"]), name=document["source"],
                title=document["title"] or None, mime_type="text/plain",
                description=f"A document of {name}, {document['characters']:,} characters.",
            )
            for document in found["documents"]
            if document["characters"]  # a file of ready pairs has no text
        ]  # fmt: skip
        following = names[names.index(name) + 1 :][:1]
        cursor = f"{found['next']}.{name}" if found["next"] else f".{following[0]}" if following else None
        return ListResourcesResult(resources=listed, next_cursor=cursor)

    async def _read_resource(self, asked: Asked, wanted: ReadResourceRequestParams) -> ReadResourceResult:
        """A document's text as spans count it, or what ``quipu why --json`` prints of a pair."""
        uri = str(wanted.uri)
        match = _RESOURCE.fullmatch(uri)
        served = Caller(self._context, asked.request).memories.get(unquote(match[1])) if match else None
        if match is None or served is None:
            raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": uri})
        identity = match[3]
        kind, reading = ("text/plain", _text) if match[2] == "documents" else ("application/json", _pair)
        try:
            text = await asyncio.to_thread(read, served, lambda memory: reading(memory, identity))
        except Exception as error:
            problem = self._problem(asked, error)
            code = INVALID_PARAMS if problem.code == "not_found" else INTERNAL_ERROR
            raise MCPError(code, problem.detail, {"uri": uri}) from error
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=kind)])

    def _problem(self, asked: Asked, error: Exception) -> Problem:
        """What went wrong, for the client; what was not foreseen is told to the operator."""
        if isinstance(error, ValidationError):
            found = [{**fault, "loc": ("arguments", *fault["loc"])} for fault in error.errors()]
            error = RequestValidationError(found)
        problem = problem_of(error)
        problem.detail = self._context.shown(problem.detail)
        if problem.code == "internal":
            traceback.print_exception(error)
        if asked.request is not None:
            exchange_of(asked.request.scope).refused = problem.code
        return problem


class McpRoute(Route):
    """``/mcp``. It keeps no session: any worker answers any request. Who comes in went through frame and gate before.

    Their checks of host, origin and size stand in for the SDK's; ``manager.run()`` is entered by the app's lifespan.
    """

    def __init__(self, server: McpServer, max_body: int) -> None:
        self.manager = StreamableHTTPSessionManager(
            server.server, json_response=True, stateless=True, max_request_body_size=max_body
        )
        super().__init__(PATH, _Endpoint(self), methods=["POST"], include_in_schema=False)


class _Endpoint:
    """An ASGI application, which starlette takes for a class's, not for a function of a request."""

    def __init__(self, route: McpRoute) -> None:
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route  # for the metrics
        await self._route.manager.handle_request(scope, receive, send)


def _shown(name: str, tool: Tool, memories: list[str]) -> ToolShown:
    """A tool as clients are told of it: with the names of the memories, where there is a choice."""
    taken = tool.arguments.model_json_schema()
    fields = taken.get("properties", {})
    if "memory" in fields:
        fields["memory"] = {"type": "string", "enum": memories, "description": "Which memory."}
        if len(memories) != 1:
            taken["required"] = [*taken.get("required", []), "memory"]
    return ToolShown(
        name=name, title=tool.title, description=tool.description, input_schema=taken,
        output_schema=tool.result.model_json_schema(),
        annotations=ToolAnnotations(
            read_only_hint=not tool.writes, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )  # fmt: skip


def _text(memory: Memory, document: str) -> str:
    row = memory.store.connection.execute("SELECT text FROM documents WHERE id = ?", (document,)).fetchone()
    if row is None:
        raise Problem("not_found", "no document has this id")
    return str(row[0])


def _pair(memory: Memory, pair: str) -> str:
    return json.dumps(finite(find_pair(memory, pair)), ensure_ascii=False)
