"""The official client of the Model Context Protocol (package `mcp`) against our server, as a user of it would: over a pipe or HTTP.

    client.py stdio COMMAND [ARGUMENT …]
    client.py http URL

Prints one JSON line of what it saw and ends with 0, or with 1 and the reason. `mcp_client.rs` runs it.
"""
import asyncio, json, sys

import jsonschema
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters


def check(true, what):
    if not true:
        raise AssertionError(what)


async def visit(server, mode):
    async with Client(server, mode=mode, read_timeout_seconds=30) as client:
        check(client.server_info.name == "sextant-agents", client.server_info)
        await client.send_ping()
        tools = (await client.list_tools()).tools
        again = (await client.list_tools()).tools
        check([tool.name for tool in tools] == [tool.name for tool in again], "the order of tools changes")
        check(len(tools) >= 10, f"{len(tools)} tools")
        for tool in tools:
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            check(tool.description and tool.annotations.read_only_hint, tool.name)
        # Every tool with arguments that hold; the client checks structured content against the output schema itself.
        good = {
            "user": "1", "item": "001", "k": 3, "title": "Film Number 5", "query": "comedy", "set": "catalogue",
            "request": {"genres": ["Comedy"], "count": 3},
        }
        called = []
        for tool in tools:
            arguments = {name: good[name] for name in tool.input_schema.get("properties", {})}
            jsonschema.validate(arguments, tool.input_schema)
            result = await client.call_tool(tool.name, arguments)
            check(not result.is_error, f"{tool.name}: {result.content}")
            check(isinstance(result.structured_content, dict) and result.content[0].text, tool.name)
            called.append(tool.name)
        # Bad arguments are the tool's error, for the model to read.
        for arguments in ({}, {"user": "no such user"}, {"user": ["1"]}, {"user": "1", "more": 1}):
            result = await client.call_tool("user_info", arguments)
            check(result.is_error and result.content[0].text, arguments)
        # An unknown tool is the protocol's.
        for refused in (lambda: client.call_tool("delete_everything", {}), lambda: client.read_resource("sextant://moon/1"),
                        lambda: client.get_prompt("nonsense", {})):
            try:
                await refused()
            except MCPError:
                continue
            raise AssertionError("something that does not exist was answered")
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        check([resource.uri for resource in resources] == ["sextant://dataset"], resources)
        check(len(templates) == 2, templates)
        for uri in ("sextant://dataset", "sextant://user/1", "sextant://item/001"):
            json.loads((await client.read_resource(uri)).contents[0].text)
        prompts = (await client.list_prompts()).prompts
        for prompt in prompts:
            arguments = {argument.name: "1" for argument in prompt.arguments}
            check((await client.get_prompt(prompt.name, arguments)).messages, prompt.name)
        # Many at once.
        calls = [client.call_tool("user_info", {"user": str(1 + n % 5)}) for n in range(40)]
        texts = [result.content[0].text for result in await asyncio.gather(*calls)]
        check(texts[:5] == texts[5:10] and len(set(texts[:5])) == 5, "answers are mixed up")
        return {"revision": client.protocol_version, "tools": called, "prompts": [p.name for p in prompts]}


async def main(kind, *rest):
    seen = []
    # The handshake of 2025, and what the client does by itself: ask for the newest first, then fall back.
    for mode in ("legacy", "auto"):
        server = StdioServerParameters(command=rest[0], args=list(rest[1:])) if kind == "stdio" else rest[0]
        seen.append(await visit(server, mode))
    if kind == "http":
        # Two sessions at once do not disturb each other.
        seen += await asyncio.gather(visit(rest[0], "auto"), visit(rest[0], "legacy"))
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
