"""The cases: what the SDKs do, and what the gateway's records say about it afterwards."""

import json
import pathlib

import checks

DATA = pathlib.Path(__file__).parent.parent / "data"
MODELS = {"messages": "claude", "chat": "gpt", "responses": "gpt"}
SCHEMA = {
    "type": "object",
    "properties": {"harbour": {"type": "string"}, "day": {"type": "string"}},
    "required": ["harbour", "day"],
    "additionalProperties": False,
}
TIDE_TABLE = {
    "messages": {"input_schema": SCHEMA},
    "chat": {"strict": True, "parameters": SCHEMA},
    "responses": {"type": "function", "strict": True, "parameters": SCHEMA},
}
ERRORS = {"messages": (400, 403, 404, 429, 500, 529), "chat": (400, 429, 503), "responses": (400, 429, 500)}


def transcripts():
    """The transcripts in `data/`, as `{name: {section title: first content}}`."""
    found = {}
    for path in sorted(DATA.glob("*.txt")):
        sections = {}
        for section in path.read_text(encoding="utf-8").split("\n=== ")[1:]:
            title, _, content = section.partition("\n")
            sections.setdefault(title, content)
        found[path.stem] = sections
    return found


def cases():
    """All cases. Beside what the suites read, a case has these fields for the checks:

    - `records`: what each interception must look like, in the order of the requests;
    - `expect`: what the SDK itself must have made of a transcript;
    - `compare`: `all`, or `kind` where only the error's class and status are the same with and without a gateway, or
      `error` where only that there is one, or `through` where there is nothing to compare with, or `merged` where only
      `replies` says what comes of it;
    - `mcp`: the gateway has the tools of an MCP server; `replies` is what each of the client's requests comes to;
    - `fails`, `status`: the SDK must raise an error, of this status;
    - `requests`: how many responses there must be, where no records tell;
    - `unseen`: no response brings the interception id, so the record is looked up by its model;
    - `sdk`: the only language that has this.
    """
    every = []
    for name, sections in transcripts().items():
        api = name.partition("-")[0]
        expect = json.loads(sections["expect"])
        record = record_of(expect)
        whole = json.loads(sections["request"])
        streamed = json.loads(sections.get("streaming request", "null")) or {**whole, "stream": True}
        for mode, request in (("blocking", whole), ("stream", streamed)):
            case = {"api": api, "request": request, "expect": expect, "records": [record]}
            reply = sections[mode]
            if not reply.startswith("HTTP/1.1 200") and reply.startswith("HTTP/"):
                case |= {"status": int(reply.split()[1]), "records": [{**record, "usage": None}]}
            elif "event: error" in reply:
                case["fails"] = True
            every.append({**case, "name": f"{name}/{mode}", "action": "reply"})
            if name.endswith("-tools"):
                answer = {key: record[key] for key in ("model", "outcome")}
                every.append({**case, "name": f"{name}/{mode}/loop", "action": "loop", "records": [record, answer]})
    for api, statuses in ERRORS.items():
        for status in statuses:
            for stream in (False, True):
                request = plain(api, f"error-{status}", stream)
                record = {"model": request["model"], "outcome": "provider_error"}
                name = f"{api}-error-{status}/{'stream' if stream else 'blocking'}"
                case = {"name": name, "api": api, "action": "reply", "request": request, "records": [record]}
                if status == 429:
                    # Of the gateway's own key the SDK is told by the gateway, which has no other key to try.
                    limited = {**case, "name": f"{name}/limited", "records": [{**record, "outcome": "refused"}]}
                    every.append({**limited, "status": status, "compare": "through"})
                    case |= {"credential": "byok"}
                every.append({**case, "status": status})
        every += ends(api) + credentials(api)
        every += injected(api)
    return every + others()


def injected(api):
    """Tools of the gateway's: hidden calls, alone and beside one of the client's, which then returns with its result."""
    function = {"name": "tide_table", "description": "The tide.", **TIDE_TABLE[api]}
    tide = {"type": "function", "function": function} if api == "chat" else function
    echo = {"provider_tool_call_id": "call_echo_1", "tool": "echo", "input": {"message": "low water"}, "injected": True}
    second = {**echo, "provider_tool_call_id": "call_echo_2", "input": {"message": "high water"}}
    own = {"provider_tool_call_id": "call_tide_3", "tool": "tide_table", "injected": False}
    own["input"] = {"harbour": "Husum", "day": "2026-11-03"}
    shown = {"id": own["provider_tool_call_id"], "name": own["tool"], "input": own["input"]}
    calls, answer = {"input": 7, "output": 3}, {"input": 11, "output": 5}
    every = []
    for stream in (False, True):
        mode = "stream" if stream else "blocking"
        for name, tools, action, replies, records in (
            (
                "injected",
                [],
                "reply",
                [{"id": "reply_1", "text": "Let me see. Low water it is.", "calls": [], "usage": [18, 8]}],
                [{"usages": [calls, answer], "tool_usages": [echo]}],
            ),
            (
                "mixed",
                [tide],
                "loop",
                [
                    {"id": "reply_1", "text": "Let me see. Let me see. ", "calls": [shown], "usage": [14, 6]},
                    {"id": "reply_3", "text": "Both, at 05:31.", "calls": [], "usage": [11, 5]},
                ],
                [{"usages": [calls, calls], "tool_usages": [echo, second, own]}, {"usages": [answer], "tool_usages": []}],
            ),
        ):
            request = plain(api, name, stream) | ({"tools": tools} if tools else {})
            if stream and api == "chat":
                request["stream_options"] = {"include_usage": True}
            case = {"name": f"{api}-{name}/{mode}", "api": api, "action": action, "request": request, "helper": True}
            records = [{"model": request["model"], "outcome": "completed", **record} for record in records]
            every.append({**case, "replies": replies, "records": records, "compare": "merged", "mcp": True})
    return every


def ends(api):
    """Connections that end early, from either side."""
    model = f"{MODELS[api]}-test-slow"
    gone = {"model": model, "outcome": "client_gone"}
    if api == "messages":
        gone["usage"] = {"input": 21, "output": 1, "cache_read": 2048, "cache_write": 148}
    every = [
        {"name": f"{api}-abort", "action": "abort", "request": plain(api, "slow", True), "records": [gone]},
        {
            "name": f"{api}-timeout",
            "action": "reply",
            "request": plain(api, "slow", False),
            "timeout": 0.5,
            "records": [{"model": model, "outcome": "client_gone"}],
            "unseen": True,
            "fails": True,
        },
    ]
    for twist in ("cut", "reset"):
        for stream in (False, True):
            request = plain(api, twist, stream)
            record = {"model": request["model"], "outcome": "truncated"}
            name = f"{api}-{twist}/{'stream' if stream else 'blocking'}"
            case = {"name": name, "action": "reply", "request": request, "records": [record], "compare": "error"}
            every.append({**case, "fails": True})
    return [{**case, "api": api} for case in every]


def credentials(api):
    """What only a gateway does: tokens, in all places, and their refusal, which nobody retries."""
    request = plain(api, "plain", False)
    record = {"model": request["model"], "outcome": "completed"}
    case = {"api": api, "action": "reply", "request": request, "compare": "through"}
    bad = {"credential": "bad", "retries": 2, "records": [], "status": 401, "requests": 1}
    every = [
        {**case, "name": f"{api}-bad-token", **bad},
        {**case, "name": f"{api}-byok", "credential": "byok", "records": [record]},
    ]
    if api == "messages":
        every.append({**case, "name": f"{api}-x-api-key", "credential": "x-api-key", "records": [record]})
    return every


def others():
    """Passed-through routes, the tool runner, asynchronous clients."""
    tools = json.loads(transcripts()["messages-tools"]["request"])
    record = {"model": tools["model"], "outcome": "completed"}
    every = [
        {"name": "messages-runner", "api": "messages", "action": "runner", "request": tools, "records": [record] * 2},
        {"name": "messages-models", "api": "messages", "action": "models", "records": []},
        {"name": "openai-models", "api": "chat", "action": "models", "records": []},
    ]
    count = {"model": "claude-test-plain", "messages": [{"role": "user", "content": "Hello"}]}
    every.append({"name": "count-tokens", "api": "messages", "action": "count_tokens", "request": count, "records": []})
    for api in MODELS:
        request = plain(api, "plain", True)
        record = {"model": request["model"], "outcome": "completed"}
        case = {"name": f"{api}-async", "api": api, "action": "async", "request": request, "records": [record]}
        every.append({**case, "sdk": "python"})
    return every


def plain(api, ending, stream):
    """A small request that asks the scripted provider for this behaviour."""
    request = {"model": f"{MODELS[api]}-test-{ending}", "stream": stream}
    request["input" if api == "responses" else "messages"] = [{"role": "user", "content": "Hello?"}]
    if api == "messages":
        request["max_tokens"] = 64
    return request


def record_of(expect):
    """What a record must say, from a transcript's `expect`."""
    return {
        "model": expect["model"],
        "outcome": expect["outcome"],
        "usage": expect.get("usage"),
        "prompts": [expect["prompt"]] if "prompt" in expect else [],
        "tools": checks.called(expect),
    }
