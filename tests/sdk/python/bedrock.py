"""Clients for the gateway's Amazon Bedrock instance: one that speaks Messages, and one that speaks Bedrock itself."""

import os

import anthropic

URL = os.environ.get("SUITE_BEDROCK_URL")
GOVERNANCE = "X-Coder-AI-Governance-Token"


def client(case, token, provider_key, asynchronous, **common):
    """The client that a case names, in its `speaks`, with the credential it names."""
    kind = "Async" if asynchronous else ""
    token = "0123456789-0123456789abcdefghijkl" if case.get("credential") == "bad" else token
    byok = case.get("credential") == "byok"
    if case["speaks"] == "messages":
        make = getattr(anthropic, kind + "Anthropic")
        if byok:
            common |= {"auth_token": provider_key, "default_headers": {GOVERNANCE: token}}
        else:
            common["api_key"] = token
        return make(base_url=URL, **common)
    make = getattr(anthropic, kind + "AnthropicBedrock")
    common |= {"base_url": URL, "aws_region": "eu-west-3"}
    match case.get("credential"):
        case "bearer":
            return make(api_key=token, **common)
        case "byok":
            return make(api_key=provider_key, default_headers={GOVERNANCE: token}, **common)
    # What the client signs with is nobody's key; the gateway signs again.
    keys = {"aws_access_key": "AKIACLIENT", "aws_secret_key": "nothing", "aws_session_token": "of the client"}
    return make(default_headers={GOVERNANCE: token}, **keys, **common)
