"""Runs cases with the official SDKs for Python: `suite.py CASES.json`.

A case says which API, what to do (`action`) and with which request body. For each one line of JSON is printed: what
the SDK made of it, and the interception ids that responses carried. Where to, and with which credentials, stands in
the environment.
"""

import asyncio
import inspect
import json
import os
import sys

import anthropic
import openai

import bedrock

PROVIDER_KEY = os.environ["SUITE_PROVIDER_KEY"]
TOKEN = os.environ["SUITE_TOKEN"]
URLS = {"messages": os.environ["SUITE_ANTHROPIC_URL"], "openai": os.environ["SUITE_OPENAI_URL"]}


def client(case, ids, asynchronous=False):
    """A client for this case, which notes the interception ids of all responses in `ids`."""
    module = anthropic if case["api"] == "messages" else openai
    key, headers = TOKEN, {}
    match case.get("credential"):
        case "bad":
            key = "0123456789-0123456789abcdefghijkl"
        case "x-api-key":
            key, headers = None, {"X-Api-Key": TOKEN}
        case "byok":
            key, headers = PROVIDER_KEY, {"X-Coder-AI-Governance-Token": TOKEN}

    def note(response):
        ids.append(response.headers.get("x-ai-bridge-interception-id"))

    async def note_async(response):
        note(response)

    http = module.DefaultAsyncHttpxClient if asynchronous else module.DefaultHttpxClient
    common = {
        "max_retries": case.get("retries", 0),
        "timeout": case.get("timeout", 30),
        "http_client": http(event_hooks={"response": [note_async if asynchronous else note]}),
    }
    if case.get("provider") == "bedrock" and bedrock.URL:
        return bedrock.client(case, TOKEN, PROVIDER_KEY, asynchronous, **common)
    make = getattr(module, ("Async" if asynchronous else "") + ("Anthropic" if module is anthropic else "OpenAI"))
    url = URLS["messages" if module is anthropic else "openai"]
    return make(api_key=key, base_url=url, default_headers=headers, **common)


def call(connection, api):
    """The SDK's method for this API, taking a request body as it is."""
    resource = {
        "messages": lambda: connection.messages,
        "chat": lambda: connection.chat.completions,
        "responses": lambda: connection.responses,
    }[api]()

    return lambda request: resource.create(**arguments(resource.create, request))


def arguments(method, request):
    """A request body as arguments of this method; what it does not know goes along as it is."""
    names = inspect.signature(method).parameters
    known = {key: value for key, value in request.items() if key in names}
    unknown = {key: value for key, value in request.items() if key not in names and key != "stream"}
    return known | {"extra_body": unknown or None}


def dump(value):
    return value.model_dump(mode="json", exclude_unset=True, warnings=False)


def text_of(api, event):
    """The piece of text that an event of a stream brings, if any."""
    if api == "messages":
        return event.delta.text if event.type == "content_block_delta" and event.delta.type == "text_delta" else ""
    if api == "chat":
        return (event.choices[0].delta.content or "") if event.choices else ""
    return event.delta if event.type == "response.output_text.delta" else ""


def calls_in(api, final):
    """The tool calls of a whole reply, as `{id, name, input}`."""
    calls = []
    if api == "messages":
        for block in final["content"]:
            if block["type"] in ("tool_use", "server_tool_use"):
                calls.append({"id": block["id"], "name": block["name"], "input": block["input"]})
    elif api == "chat":
        for tool in final["choices"][0]["message"].get("tool_calls") or []:
            function = tool["function"]
            calls.append({"id": tool["id"], "name": function["name"], "input": json.loads(function["arguments"])})
    else:
        for item in final["output"]:
            if item["type"] == "function_call":
                calls.append({"id": item["call_id"], "name": item["name"], "input": json.loads(item["arguments"])})
            elif item["type"] == "custom_tool_call":
                calls.append({"id": item["call_id"], "name": item["name"], "input": item["input"]})
    return calls


def assembled(chunks):
    """A whole chat completion from its chunks, which the SDK leaves to its user."""
    message = {"role": "assistant", "content": "", "tool_calls": []}
    for chunk in chunks:
        for choice in chunk["choices"]:
            message["content"] += choice["delta"].get("content") or ""
            for piece in choice["delta"].get("tool_calls") or []:
                while len(message["tool_calls"]) <= piece["index"]:
                    message["tool_calls"].append({"type": "function", "function": {"arguments": ""}})
                tool = message["tool_calls"][piece["index"]]
                tool["id"] = piece.get("id") or tool["id"]
                for key, value in (piece.get("function") or {}).items():
                    tool["function"][key] = tool["function"].get(key, "") + value if key == "arguments" else value
    if not message["tool_calls"]:
        del message["tool_calls"]
    return {"choices": [{"message": message}]}


def converse(connection, api, request, result, helper=False):
    """One request and its reply; returns the whole reply, if `helper` as the SDK's own accumulator has it."""
    if not request.get("stream"):
        final = dump(call(connection, api)(request))
        result.append({"final": final, "calls": calls_in(api, final)})
        return final
    seen = {"text": "", "events": []}
    result.append(seen)
    if api == "messages":
        open_stream = connection.messages.stream
        with open_stream(**arguments(open_stream, request)) as stream:
            for event in stream:
                seen["events"].append(event.type)
                seen["text"] += text_of(api, event)
            final = dump(stream.get_final_message())
    elif helper:
        open_stream = connection.chat.completions.stream if api == "chat" else connection.responses.stream
        with open_stream(**arguments(open_stream, request)) as stream:
            for event in stream:
                seen["events"].append(event.type)
                seen["text"] += event.delta if event.type in ("content.delta", "response.output_text.delta") else ""
            final = dump(stream.get_final_completion() if api == "chat" else stream.get_final_response())
    else:
        final = None
        for event in call(connection, api)(request):
            seen["events"].append(dump(event))
            seen["text"] += text_of(api, event)
            if api == "responses" and event.type in ("response.completed", "response.failed"):
                final = dump(event.response)
        final = assembled(seen["events"]) if api == "chat" else final
    seen.update(final=final, calls=calls_in(api, final))
    return final


def with_results(api, request, final):
    """The request that answers the tool calls of this reply."""
    request, results = json.loads(json.dumps(request)), []
    for tool in calls_in(api, final):
        if api == "messages":
            results.append({"type": "tool_result", "tool_use_id": tool["id"], "content": "05:31"})
        elif api == "chat":
            results.append({"role": "tool", "tool_call_id": tool["id"], "content": "05:31"})
        else:
            results.append({"type": "function_call_output", "call_id": tool["id"], "output": "05:31"})
    if api == "messages":
        assistant = {"role": "assistant", "content": final["content"]}
        request["messages"] += [assistant, {"role": "user", "content": results}]
    elif api == "chat":
        request["messages"] += [final["choices"][0]["message"], *results]
    else:
        asked = request["input"]
        asked = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
        request["input"] = [*asked, *final["output"], *results]
    return request


def run(case, ids, result):
    api, request, helper = case["api"], case.get("request"), case.get("helper", False)
    with client(case, ids) as connection:
        match case["action"]:
            case "reply":
                converse(connection, api, request, result, helper)
            case "loop":
                final = converse(connection, api, request, result, helper)
                converse(connection, api, with_results(api, request, final), result, helper)
            case "runner":
                @anthropic.beta_tool
                def tide_table(harbour: str, day: str) -> str:
                    """High and low water for a harbour on a day."""
                    return f"{harbour} {day} 05:31"

                asked = {key: request[key] for key in ("model", "max_tokens", "messages")}
                for message in connection.beta.messages.tool_runner(tools=[tide_table], **asked):
                    result.append(dump(message))
            case "abort":
                pieces = []
                with call(connection, api)(request) as stream:
                    for event in stream:
                        pieces.append(text_of(api, event))
                        if sum(map(bool, pieces)) == 3:
                            break
                result.append("".join(pieces))
            case "models":
                result.append([model.id for model in connection.models.list()])
            case "count_tokens":
                result.append(dump(connection.messages.count_tokens(**request)))


async def run_async(case, ids, result):
    api = case["api"]
    async with client(case, ids, asynchronous=True) as connection:
        text = ""
        async for event in await call(connection, api)(case["request"]):
            text += text_of(api, event)
        result.append(text)


def error_of(error):
    return {
        "class": type(error).__name__,
        "message": str(error),
        "status": getattr(error, "status_code", None),
        "body": getattr(error, "body", None),
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    for case in cases:
        ids, result, error = [], [], None
        try:
            if case["action"] == "async":
                asyncio.run(run_async(case, ids, result))
            else:
                run(case, ids, result)
        except Exception as raised:  # whatever an SDK raises is the result
            error = error_of(raised)
        print(json.dumps({"case": case["name"], "result": result, "error": error, "interceptions": ids}), flush=True)


main()
