"""The checks: did the SDK get what the provider sent, the same with and without the gateway, and what was recorded?"""

import json
from datetime import datetime

USAGE = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_write_input_tokens",
}



def instant(text):
    """The time that a record names."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def check_direct(case, got):
    """What is wrong with a result that no gateway took part in; this is what makes the comparison mean something."""
    error = got["error"]
    if "status" in case:
        return [] if error and error["status"] == case["status"] else [f"error {case['status']} expected, got {error}"]
    if case.get("fails"):
        return [] if error else ["the SDK should have raised an error"]
    if error:
        return [f"unexpected error {short(error)}"]
    if not got["result"] or not all(got["result"]):
        return ["empty result"]
    if "expect" in case:
        calls, wanted = got["result"][0]["calls"], called(case["expect"])
        return [] if calls == wanted else [f"tool calls {short(calls)}, not {short(wanted)}"]
    return []


def called(expect):
    """The tool calls that a transcript's `expect` names, as the suites give them."""
    return [{key: tool[key] for key in ("id", "name", "input")} for tool in expect.get("tools", [])]


def check_same(case, direct, through):
    """Where the result through the gateway differs from the one without it."""
    how = case.get("compare", "all")
    if how == "error":
        return [] if through["error"] else ["through the gateway the SDK raised no error"]
    if how == "through":
        return check_direct(case, through)
    if how == "kind":
        kinds = [{key: got["error"] and got["error"][key] for key in ("class", "status")} for got in (direct, through)]
        return [] if kinds[0] == kinds[1] else [f"error: direct {short(direct['error'])}, through {short(through['error'])}"]
    if how == "merged":
        return check_merged(case, through)
    wrong = []
    if direct["error"] != through["error"]:
        wrong.append(f"error: direct {short(direct['error'])}, through {short(through['error'])}")
    if direct["result"] != through["result"]:
        wrong.append("result: " + difference(direct["result"], through["result"]))
    return wrong


def check_merged(case, through):
    """What is wrong with replies in which the gateway ran tools: they are one message each, and nothing shows it."""
    if through["error"]:
        return [f"unexpected error {short(through['error'])}"]
    wrong = [f"{hidden} is visible" for hidden in ("bmcp_", "call_echo") if hidden in json.dumps(through["result"])]
    got = [understood(case["api"], one) for one in through["result"]]
    if got != case["replies"]:
        wrong.append("reply: " + difference(case["replies"], got).replace("direct", "expected"))
    return wrong


def understood(api, reply):
    """A reply in no API's words."""
    final = reply["final"]
    if api == "messages":
        texts = [block["text"] for block in final["content"] if block["type"] == "text"]
    elif api == "chat":
        texts = [final["choices"][0]["message"]["content"]]
    else:
        texts = [part["text"] for item in final["output"] if item["type"] == "message" for part in item["content"]]
    usage = final["usage"]
    names = ("prompt_tokens", "completion_tokens") if api == "chat" else ("input_tokens", "output_tokens")
    text = "".join(texts)
    if reply.get("text", text) != text:
        text = f"{reply['text']!r} streamed, {text!r} in the end"
    return {"id": final["id"], "text": text, "calls": reply["calls"], "usage": [usage[name] for name in names]}


def check_requests(case, through):
    """Whether each response named its interception, and no request was repeated."""
    ids = through["interceptions"]
    expected = case.get("requests", 0 if case.get("unseen") else len(case["records"]))
    if case["records"] and not case.get("unseen"):
        if len(ids) != expected or not all(ids):
            return [f"{expected} responses with an interception id expected, got {ids}"]
    elif "requests" in case and len(ids) != expected:
        return [f"{expected} responses expected, got {len(ids)}"]
    return []


def check_record(expected, record, provider, user):
    """What is wrong with one record."""
    plainly = {"model": expected["model"], "outcome": expected["outcome"], "provider": provider}
    plainly |= {"provider_name": provider, "client": "Unknown"}
    wrong = [f"{key} {record.get(key)!r}, not {value!r}" for key, value in plainly.items() if record.get(key) != value]
    if (record.get("initiator") or {}).get("username") != user:
        wrong.append(f"initiator {record.get('initiator')}")
    # As times: their text has as many digits as it needs.
    if not record.get("ended_at") or instant(record["ended_at"]) < instant(record["started_at"]):
        wrong.append(f"ended_at {record.get('ended_at')}, started_at {record.get('started_at')}")
    usages = expected.get("usages") or ([expected["usage"]] if expected.get("usage") else None)
    if usages:
        wanted = [{key: usage.get(key, 0) for key in USAGE} for usage in usages]
        got = [{key: usage.get(field, 0) for key, field in USAGE.items()} for usage in record["token_usages"]]
        if got != wanted:
            wrong.append(f"token usages {got}, not {wanted}")
    if "prompts" in expected:
        got = [prompt["prompt"] for prompt in record["user_prompts"]]
        if got != expected["prompts"]:
            wrong.append(f"prompts {got}, not {expected['prompts']}")
    if "tools" in expected:
        fields = ("provider_tool_call_id", "tool", "input")
        got = [[parsed(tool.get(field)) for field in fields] for tool in record["tool_usages"]]
        wanted = [list(tool.values()) for tool in expected["tools"]]
        if sorted(map(str, got)) != sorted(map(str, wanted)):
            wrong.append(f"tool usages {got}, not {wanted}")
        if any(tool.get("injected") for tool in record["tool_usages"]):
            wrong.append("a tool of the client is recorded as injected")
    if "tool_usages" in expected:
        got = [{**tool, "input": parsed(tool["input"])} for tool in record["tool_usages"]]
        got = sorted(got, key=lambda tool: tool["provider_tool_call_id"])
        for tool, wanted in zip(got, expected["tool_usages"]):
            wrong += [f"{key} of {tool}, not {value!r}" for key, value in wanted.items() if tool.get(key) != value]
            if tool.get("invocation_error"):
                wrong.append(f"the call failed: {tool}")
        if len(got) != len(expected["tool_usages"]):
            wrong.append(f"{len(got)} tool usages, not {len(expected['tool_usages'])}")
    return wrong


def parsed(value):
    """A tool's input may be recorded as JSON or as text that holds JSON."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except ValueError:
            pass
    return value


def difference(left, right, path="$"):
    """The first place where two JSON values differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            if left.get(key) != right.get(key):
                return difference(left.get(key), right.get(key), f"{path}.{key}")
    if isinstance(left, list) and isinstance(right, list):
        for index, (one, other) in enumerate(zip(left, right)):
            if one != other:
                return difference(one, other, f"{path}[{index}]")
        if len(left) != len(right):
            return f"{path}: direct has {len(left)} elements, through {len(right)}"
    return f"{path}: direct {short(left)}, through {short(right)}"


def short(value, limit=300):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "..."
