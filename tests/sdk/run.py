#!/usr/bin/env python3
"""Runs the official openai and anthropic SDKs, for Python and Node, through the gateway.

Every case runs twice, straight against a scripted provider and through the gateway in front of it, and must come out
the same; then the gateway's records must say what happened. A second gateway has the tools of the MCP reference server.
Needs cargo, Node 20, npm, and the package registries.

    tests/sdk/run.py [--only python|node] [--filter TEXT] [--direct-only] [--gateway PATH] [--verbose]
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import bedrock
import checks
from cases import cases

HERE = pathlib.Path(__file__).resolve().parent
KEY = "sk-scripted-provider-key"
USER = "sdk-suite"
PATIENCE = 20  # seconds, for whatever has to become ready or recorded


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", choices=("python", "node"))
    parser.add_argument("--filter", default="", help="run the cases whose name contains this")
    parser.add_argument("--direct-only", action="store_true", help="check the suites themselves, without a gateway")
    parser.add_argument("--gateway", help="an aibridge-gateway to use instead of building one")
    parser.add_argument("--verbose", action="store_true", help="name the cases that pass as well")
    options = parser.parse_args()

    packages = ["aibridge-tests"] if options.direct_only or options.gateway else ["aibridge-tests", "aibridge-gateway"]
    built = build(packages)
    gateway = options.gateway or built.get("aibridge-gateway")
    failed = 0
    with Process([built["scripted-provider"], KEY]) as provider:
        url = provider.first_line()
        for language in [options.only] if options.only else ["python", "node"]:
            chosen = [case for case in cases() + bedrock.bedrock_cases() if options.filter in case["name"]]
            chosen = [case for case in chosen if case.get("sdk", language) == language]
            suite = install(language, built["target"] / "sdk" / language)
            with_tools = [case for case in chosen if case.get("mcp")]
            chosen = [case for case in chosen if case not in with_tools]
            if options.direct_only:
                chosen, with_tools = [case for case in chosen if comparable(case)], []
            with tempfile.TemporaryDirectory() as scratch:
                outcome = run(suite, chosen, url, gateway, pathlib.Path(scratch))
            if with_tools and not shutil.which("npm"):
                print(f"SKIPPED {language}: {len(with_tools)} cases with MCP tools, for want of Node and npm")
            elif with_tools:
                with Everything(built["target"] / "sdk" / "node") as settings, tempfile.TemporaryDirectory() as scratch:
                    outcome |= run(suite, with_tools, url, gateway, pathlib.Path(scratch), settings)
            failed += report(language, outcome, options.verbose)
    sys.exit(1 if failed else 0)


def comparable(case):
    """Whether the case comes to the same without a gateway."""
    return case.get("compare") not in ("through", "merged")


def run(suite, chosen, provider, gateway, scratch, settings={}):
    """What is wrong with each case, by name. The gateway has these settings, too."""
    listed = scratch / "cases.json"
    listed.write_text(json.dumps(chosen), encoding="utf-8")
    without = [case for case in chosen if comparable(case)]
    compared = scratch / "compared.json"
    compared.write_text(json.dumps(without), encoding="utf-8")
    direct = results(suite, compared, provider, provider + "/v1", KEY) if without else {}
    wrong = {case["name"]: [] for case in chosen}
    for case in chosen:
        if case["name"] in direct:
            wrong[case["name"]] += checks.check_direct(case, direct[case["name"]])
    if not gateway:
        return wrong

    data = scratch / "data"

    def command(*words):
        return output([gateway, *words, "--data-dir", str(data)])

    command("users", "create", USER)
    token = command("tokens", "create", "--user", USER).strip().splitlines()[-1]
    with Gateway(gateway, data, provider, settings) as base:
        through = results(suite, listed, base + "/anthropic", base + "/openai/v1", token, base + "/bedrock")
        records = recorded(command, through, sum(len(case["records"]) for case in chosen))
    for case in chosen:
        name = case["name"]
        wrong[name] += checks.check_same(case, direct.get(name), through[name])
        wrong[name] += checks.check_requests(case, through[name])
        wrong[name] += check_records(case, through[name], records)
    leftover = [record for record in records.values() if not record.get("claimed")]
    if leftover:
        wrong["records nobody caused"] = [checks.short(record) for record in leftover]
    return wrong


def check_records(case, through, records):
    wrong = []
    if case.get("unseen"):
        named = [key for key, record in records.items() if record["model"] == case["request"]["model"]]
        named = [key for key in named if not records[key].get("claimed") and key not in through["seen"]][:1]
    else:
        named = [key for key in through["interceptions"] if key]
    for number, expected in enumerate(case["records"]):
        record = records.get(named[number]) if number < len(named) else None
        if record is None:
            wrong.append("no record")
            continue
        record["claimed"] = True
        provider = case.get("provider", "anthropic" if case["api"] == "messages" else "openai")
        wrong += [f"record: {what}" for what in checks.check_record(expected, record, provider, USER)]
    return wrong


def recorded(command, through, expected):
    """All records by id, once as many as expected have ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        reply = json.loads(command("interceptions", "list", "--json"))
        listed = reply["results"]
        if reply["count"] > len(listed):
            sys.exit(f"only {len(listed)} of {reply['count']} interceptions are listed")
        ended = [record for record in listed if record.get("ended_at")]
        if len(ended) >= expected or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    seen = {key for result in through.values() for key in result["interceptions"] if key}
    for result in through.values():
        result["seen"] = seen
    return {record["id"]: record for record in listed}


def results(suite, listed, anthropic, openai, token, bedrock_url=""):
    """Runs a suite; its results by case. Without a URL for Bedrock its cases speak Messages to Anthropic's."""
    environment = {key: value for key, value in os.environ.items() if not is_setting(key)}
    environment |= {
        "SUITE_ANTHROPIC_URL": anthropic,
        "SUITE_OPENAI_URL": openai,
        "SUITE_BEDROCK_URL": bedrock_url,
        "SUITE_TOKEN": token,
        "SUITE_PROVIDER_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
    }
    lines = output([*suite, str(listed)], env=environment).splitlines()
    return {result["case"]: result for result in map(json.loads, lines)}


class Gateway:
    """A gateway configured as in production, in front of the scripted provider; gives its base URL when ready."""

    def __init__(self, gateway, data, provider, settings):
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {key: value for key, value in os.environ.items() if not is_setting(key)} | {
            "CODER_HTTP_ADDRESS": self.address,
            "CODER_AIBRIDGE_PROVIDER_0_TYPE": "anthropic",
            "CODER_AIBRIDGE_PROVIDER_0_BASE_URL": provider,
            "CODER_AIBRIDGE_PROVIDER_0_KEY": KEY,
            "CODER_AIBRIDGE_PROVIDER_1_TYPE": "openai",
            "CODER_AIBRIDGE_PROVIDER_1_BASE_URL": provider + "/v1/",
            "CODER_AIBRIDGE_PROVIDER_1_KEY": KEY,
        }
        self.environment |= bedrock.settings(provider, KEY) | settings
        self.log = data.parent / "gateway.log"
        self.command = [gateway, "server", "--data-dir", str(data)]

    def __enter__(self):
        self.process = Process(self.command, env=self.environment, log=self.log)
        self.process.__enter__()
        self.process.wait_until(lambda: answers(f"http://{self.address}/readyz"))
        return f"http://{self.address}/api/v2/aibridge"

    def __exit__(self, *_):
        self.process.__exit__()


class Everything:
    """The reference server of MCP; gives the settings with which a gateway has its tools."""

    def __init__(self, place):
        install("node", place)
        self.command = ["node", str(place / "node_modules" / ".bin" / "mcp-server-everything"), "streamableHttp"]
        self.log = place / "everything.log"

    def __enter__(self):
        port = free_port()
        self.process = Process(self.command, env=os.environ | {"PORT": str(port)}, log=self.log)
        self.process.__enter__()
        self.process.wait_until(lambda: listens(port))
        return {
            "CODER_AIBRIDGE_MCP_0_NAME": "everything",
            "CODER_AIBRIDGE_MCP_0_URL": f"http://127.0.0.1:{port}/mcp",
        }

    def __exit__(self, *_):
        self.process.__exit__()


class Process:
    """A process of our own, terminated at the end."""

    def __init__(self, command, env=None, log=None):
        self.command, self.env, self.log = command, env, log

    def __enter__(self):
        target = open(self.log, "wb") if self.log else subprocess.PIPE
        errors = subprocess.STDOUT if self.log else None
        self.process = subprocess.Popen(self.command, env=self.env, stdout=target, stderr=errors)
        if self.log:
            target.close()
        return self

    def first_line(self):
        return self.process.stdout.readline().decode().strip()

    def wait_until(self, is_ready):
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                sys.exit(f"not ready: {self.command[0]}\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def build(packages):
    """Builds these packages; the executables by name, and the target directory."""
    words = [word for package in packages for word in ("-p", package)]
    messages = output(["cargo", "build", "--quiet", "--bins", "--message-format=json", *words], cwd=HERE)
    built = {}
    for message in map(json.loads, messages.splitlines()):
        if message.get("executable"):
            built[message["target"]["name"]] = message["executable"]
    metadata = output(["cargo", "metadata", "--no-deps", "--format-version=1"], cwd=HERE)
    return built | {"target": pathlib.Path(json.loads(metadata)["target_directory"])}


def install(language, place):
    """Installs a suite's SDKs unless they are there; the command that runs the suite."""
    source = HERE / language
    place.mkdir(parents=True, exist_ok=True)
    wanted = source / ("requirements.txt" if language == "python" else "package.json")
    digest, mark = hashlib.sha256(wanted.read_bytes()).hexdigest(), place / "installed"
    fresh = not mark.exists() or mark.read_text() != digest
    if language == "python":
        python = place / "bin" / "python"
        if fresh:
            output([sys.executable, "-m", "venv", "--clear", str(place)])
            output([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)])
        command = [str(python), str(source / "suite.py")]
    else:
        # Node looks for packages beside the script, so the script comes to them.
        shutil.copy(source / "suite.mjs", place)
        if fresh:
            shutil.copy(wanted, place)
            output(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=place)
        command = ["node", str(place / "suite.mjs")]
    mark.write_text(digest)
    return command


def report(language, wrong, verbose):
    """Prints what failed and how many passed; the number that failed."""
    failures = 0
    for name, what in wrong.items():
        failures += bool(what)
        if what or verbose:
            print(f"{'FAIL' if what else 'ok  '} {language} {name}")
        for line in what:
            print(f"       {line}")
    print(f"{language}: {len(wrong) - failures} passed, {failures} failed")
    return failures


def answers(url):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_setting(name):
    """Whether a variable could change what the SDKs or the gateway do."""
    return name.upper().startswith(("OPENAI_", "ANTHROPIC_", "CODER_", "AWS_")) or name.upper().endswith("_PROXY")


def output(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **options)
    if done.returncode:
        sys.exit(f"failed with {done.returncode}: {' '.join(map(str, command))}")
    return done.stdout


if __name__ == "__main__":
    main()
