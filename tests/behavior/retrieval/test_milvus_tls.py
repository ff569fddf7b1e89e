"""A Milvus server behind TLS: what a cloud or a proxy gives."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.milvus_places import Places

pytestmark = pytest.mark.server_only("Lite is a file")

PROGRAM = """
import sys
import pandas as pd
from retrieval import Encoder, ItemIndex, StoreError
try:
    with ItemIndex(sys.argv[1], Encoder(), sys.argv[2], token=sys.argv[3], timeout=20) as index:
        items = pd.DataFrame({"item_id": ["a", "b"], "name": ["milk", "soap"]})
        index.upsert(items, text="name")
        print(index.neighbors(["oat milk"], k=1).ids[0, 0])
except StoreError as error:
    print(error)
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For localhost, signed by itself; with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = tmp_path / "server.pem"
    for_localhost = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run(
        [*command, *for_localhost, "-keyout", made.with_suffix(".key"), "-out", made],
        check=True,
        capture_output=True,
    )
    return made


@contextmanager
def _tls(certificate: Path, uri: str) -> Iterator[int]:
    """Take off TLS on a port of loopback, and pass on what is inside."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    context.set_alpn_protocols(["h2"])
    behind = urlsplit(uri)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(behind.hostname, behind.port)
        await asyncio.gather(copy(reader, outer), copy(inner, writer), return_exceptions=True)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()


def test_the_certificate_is_checked(milvus: Places, certificate: Path) -> None:
    place, uri = milvus(), "https://localhost:{}"

    def ask(port: int, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, uri.format(port), place.collection, place.token or ""],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout.strip().splitlines()[-1]

    with _tls(certificate, place.uri) as port:
        assert ask(port, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(certificate)) == "a"
        refused = ask(port)  # by the authorities that gRPC brings, nobody vouches for it
        assert refused.startswith(f"Milvus at https://localhost:{port} ")
