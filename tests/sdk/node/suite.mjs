// Runs cases with the official SDKs for Node: `node suite.mjs CASES.json`. The counterpart of ../python/suite.py,
// which describes cases and output.

import { readFileSync } from "node:fs";

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const { SUITE_PROVIDER_KEY, SUITE_TOKEN, SUITE_ANTHROPIC_URL, SUITE_BEDROCK_URL, SUITE_OPENAI_URL } = process.env;

/** A client for this case, which notes the interception ids of all responses in `ids`. */
function client(entry, ids) {
  const messages = entry.api === "messages";
  const bedrock = entry.provider === "bedrock" && SUITE_BEDROCK_URL;
  let authToken = null;
  let apiKey = SUITE_TOKEN;
  let defaultHeaders = {};
  switch (entry.credential) {
    case "bad":
      apiKey = "0123456789-0123456789abcdefghijkl";
      break;
    case "x-api-key":
      apiKey = null;
      defaultHeaders = { "X-Api-Key": SUITE_TOKEN };
      break;
    case "byok":
      apiKey = SUITE_PROVIDER_KEY;
      defaultHeaders = { "X-Coder-AI-Governance-Token": SUITE_TOKEN };
      if (bedrock) [apiKey, authToken] = [null, SUITE_PROVIDER_KEY];
      break;
  }
  return new (messages ? Anthropic : OpenAI)({
    apiKey,
    ...(messages ? { authToken } : {}),
    baseURL: bedrock || (messages ? SUITE_ANTHROPIC_URL : SUITE_OPENAI_URL),
    defaultHeaders,
    maxRetries: entry.retries ?? 0,
    timeout: (entry.timeout ?? 30) * 1000,
    fetch: async (...call) => {
      const response = await fetch(...call);
      ids.push(response.headers.get("x-ai-bridge-interception-id"));
      return response;
    },
  });
}

/** Sends a request body as it is. */
function create(connection, api, request) {
  switch (api) {
    case "messages":
      return connection.messages.create(request);
    case "chat":
      return connection.chat.completions.create(request);
    default:
      return connection.responses.create(request);
  }
}

/** The piece of text that an event of a stream brings, if any. */
function textOf(api, event) {
  switch (api) {
    case "messages":
      return event.type === "content_block_delta" && event.delta.type === "text_delta" ? event.delta.text : "";
    case "chat":
      return event.choices[0]?.delta.content ?? "";
    default:
      return event.type === "response.output_text.delta" ? event.delta : "";
  }
}

/** The tool calls of a whole reply, as `{id, name, input}`. */
function callsIn(api, final) {
  switch (api) {
    case "messages":
      return final.content
        .filter((block) => block.type === "tool_use" || block.type === "server_tool_use")
        .map(({ id, name, input }) => ({ id, name, input }));
    case "chat":
      return (final.choices[0].message.tool_calls ?? []).map((tool) => ({
        id: tool.id,
        name: tool.function.name,
        input: JSON.parse(tool.function.arguments),
      }));
    default:
      return final.output
        .filter((item) => item.type === "function_call" || item.type === "custom_tool_call")
        .map((item) => ({
          id: item.call_id,
          name: item.name,
          input: item.type === "function_call" ? JSON.parse(item.arguments) : item.input,
        }));
  }
}

/** One request and its reply; returns the whole reply. */
async function converse(connection, api, request, result) {
  if (!request.stream) {
    const final = await create(connection, api, request);
    result.push({ final, calls: callsIn(api, final) });
    return final;
  }
  const seen = { text: "", events: [] };
  result.push(seen);
  let stream;
  if (api === "messages") {
    stream = connection.messages.stream(request);
  } else if (api === "chat") {
    stream = connection.chat.completions.stream(request);
  } else {
    stream = connection.responses.stream(request);
  }
  for await (const event of stream) {
    seen.events.push(structuredClone(event));
    seen.text += textOf(api, event);
  }
  seen.final = await (api === "messages"
    ? stream.finalMessage()
    : api === "chat"
      ? stream.finalChatCompletion()
      : stream.finalResponse());
  seen.calls = callsIn(api, seen.final);
  return seen.final;
}

/** The request that answers the tool calls of this reply. */
function withResults(api, request, final) {
  const calls = callsIn(api, final);
  switch (api) {
    case "messages": {
      const results = calls.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "05:31" }));
      const turns = [
        { role: "assistant", content: final.content },
        { role: "user", content: results },
      ];
      return { ...request, messages: [...request.messages, ...turns] };
    }
    case "chat": {
      const results = calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "05:31" }));
      return { ...request, messages: [...request.messages, final.choices[0].message, ...results] };
    }
    default: {
      const results = calls.map(({ id }) => ({ type: "function_call_output", call_id: id, output: "05:31" }));
      const asked = typeof request.input === "string" ? [{ role: "user", content: request.input }] : request.input;
      return { ...request, input: [...asked, ...final.output, ...results] };
    }
  }
}

async function run(entry, ids, result) {
  const { api, request } = entry;
  const connection = client(entry, ids);
  switch (entry.action) {
    case "reply":
      await converse(connection, api, request, result);
      break;
    case "loop": {
      const final = await converse(connection, api, request, result);
      await converse(connection, api, withResults(api, request, final), result);
      break;
    }
    case "runner": {
      const tool = {
        type: "custom",
        ...request.tools[0],
        parse: (input) => input,
        run: ({ harbour, day }) => `${harbour} ${day} 05:31`,
      };
      const { model, max_tokens, messages } = request;
      for await (const message of connection.beta.messages.toolRunner({ model, max_tokens, messages, tools: [tool] })) {
        result.push(message);
      }
      break;
    }
    case "abort": {
      const pieces = [];
      for await (const event of await create(connection, api, request)) {
        pieces.push(textOf(api, event));
        if (pieces.filter(Boolean).length === 3) break;
      }
      result.push(pieces.join(""));
      break;
    }
    case "models": {
      const models = [];
      for await (const model of connection.models.list()) models.push(model.id);
      result.push(models);
      break;
    }
    case "count_tokens":
      result.push(await connection.messages.countTokens(request));
      break;
    default:
      throw new Error(`unknown action ${entry.action}`);
  }
}

for (const entry of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const ids = [];
  const result = [];
  let error = null;
  try {
    await run(entry, ids, result);
  } catch (raised) {
    const { message } = raised;
    error = { class: raised.constructor.name, message, status: raised.status ?? null, body: raised.error ?? null };
  }
  console.log(JSON.stringify({ case: entry.name, result, error, interceptions: ids }));
}
