"""The cases on Amazon Bedrock: the gateway translates for, or passes on, what reaches a Bedrock that checks signatures.

Straight, each of them asks the scripted provider for Messages; so through the gateway must come what Anthropic itself
would have said.
"""

import json

import cases

MODEL = "eu.anthropic.claude-sonnet-4-5-test-"
NEWER = "eu.anthropic.claude-opus-4-7-test-"
# What the gateway asks for when the client names no model of Bedrock's.
DEFAULT, SMALL = "global.anthropic.claude-sonnet-4-5-test-plain", "global.anthropic.claude-haiku-4-5-test-tools"


def settings(provider, key):
    """The gateway's instance `bedrock`."""
    prefix = "CODER_AIBRIDGE_PROVIDER_2_"
    fields = {
        "TYPE": "bedrock",
        "BEDROCK_BASE_URL": provider,
        "BEDROCK_REGION": "us-east-1",
        "BEDROCK_ACCESS_KEY": "AKIASCRIPTEDPROVIDER",
        "BEDROCK_ACCESS_KEY_SECRET": key,
        "BEDROCK_MODEL": DEFAULT,
        "BEDROCK_SMALL_FAST_MODEL": SMALL,
    }
    return {prefix + name: value for name, value in fields.items()}


def bedrock_cases():
    """All of them, for the only SDK whose Bedrock client is a package of its own accord."""
    every = []
    for case in cases.cases():
        # 529 is a status of Anthropic's alone.
        if case["api"] != "messages" or case["action"] in ("models", "count_tokens") or case.get("status") == 529:
            continue
        if case.get("credential") == "x-api-key":
            continue
        # Clients that speak Bedrock get no injected tools.
        every += [of_bedrock(case, speaks) for speaks in ("messages", "bedrock")[: 1 if case.get("mcp") else 2]]
    return every + thinking() + translated() + bearer()


def of_bedrock(case, speaks, model=MODEL):
    """A case of Messages as one of Bedrock."""
    case = json.loads(json.dumps(case).replace("claude-test-", model))
    case |= {"name": f"{speaks} on bedrock: {case['name']}", "provider": "bedrock", "speaks": speaks, "sdk": "python"}
    if case["action"] == "runner" and speaks == "messages":
        # It asks for a thread first, and goes on without one when it is told that there are none.
        case["records"] = [{**case["records"][0], "outcome": "refused"}, *case["records"]]
    if case.get("compare", "all") == "all" and ("status" in case or "fails" in case):
        case["compare"] = "kind"
    return case


def named(name):
    return next(case for case in cases.cases() if case["name"] == name)


def thinking():
    """A way of thinking that the model does not know becomes one that it knows."""
    every = []
    for model, way in ((MODEL, {"type": "adaptive"}), (NEWER, {"type": "enabled", "budget_tokens": 2048})):
        for mode in ("blocking", "stream", "blocking/loop", "stream/loop"):
            case = of_bedrock(named(f"messages-tools/{mode}"), "messages", model)
            case["name"] += f", {way['type']} to {model}"
            case["request"]["thinking"] = way
            every.append(case)
    return every


def translated():
    """Models that Bedrock does not know by that name, and what it refuses."""
    every = []
    for model, becomes in (("claude-opus-4-1-test-plain", DEFAULT), ("claude-haiku-4-5-test-tools", SMALL)):
        for mode in ("blocking", "stream"):
            case = of_bedrock(named(f"messages-{becomes.rpartition('-')[2]}/{mode}"), "messages")
            case["name"] += f", {model}"
            case["request"]["model"] = model
            case["records"][0]["model"] = becomes
            case["request"] |= {"metadata": {"user_id": "u"}, "service_tier": "auto"}
            betas = "interleaved-thinking-2025-05-14,claude-code-20250219,oauth-2025-04-20"
            case["request"]["extra_headers"] = {"anthropic-beta": betas}
            every.append(case)
    return every


def bearer():
    """Clients of Bedrock that give the gateway token as Bedrock's API key (`AWS_BEARER_TOKEN_BEDROCK`)."""
    every = []
    for mode in ("blocking", "stream"):
        case = of_bedrock(named(f"messages-plain/{mode}"), "bedrock")
        every.append({**case, "name": case["name"] + ", bearer", "credential": "bearer"})
    return every
