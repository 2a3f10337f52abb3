"""A guest in Python, made by componentize-py (WASI 0.2), that does not know us."""

import asyncio
from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from poll_loop import PollLoop, Sink, Stream, send
from wit_world import exports
from wit_world.imports.types import (
    Fields,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    OutgoingResponse,
    ResponseOutparam,
    Scheme_Http,
)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        loop = PollLoop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(answer(request, response_out))


async def answer(request, out):
    target = urlsplit(request.path_with_query())
    url = parse_qs(target.query).get("url", [None])[0]
    match target.path.rsplit("/", 1)[-1]:
        case "hello":
            await whole(out, b"hello")
        case "echo":
            await whole(out, await read(request.consume()))
        case "stream":
            sink = begin(out)
            await sink.send(b"first ")
            between = await fetch(url)
            await sink.send(await read(between.consume()))
            sink.close()
        case "forward":
            forwarded = await fetch(url, await read(request.consume()))
            await whole(out, await read(forwarded.consume()), forwarded.status())
        case "denied":
            try:
                await fetch(url)
                await whole(out, b"answered")
            except Err:
                await whole(out, b"refused")
        case "pour":
            sink = begin(out)
            while True:
                await sink.send(b"x" * 4096)
        case "fail":
            raise RuntimeError("as asked")
        case _:
            await whole(out, b"", 404)


def begin(out, status=200):
    response = OutgoingResponse(Fields())
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    return Sink(body)


async def whole(out, body, status=200):
    sink = begin(out, status)
    await sink.send(body)
    sink.close()


async def read(body):
    stream = Stream(body)
    whole = bytearray()
    while (piece := await stream.next()) is not None:
        whole += piece
    return bytes(whole)


async def fetch(url, body=None):
    target = urlsplit(url)
    request = OutgoingRequest(Fields())
    request.set_scheme(Scheme_Http())
    request.set_authority(target.netloc)
    request.set_path_with_query(target.path)
    if body is None:
        return await send(request)
    request.set_method(Method_Post())
    sink = Sink(request.body())
    answer = asyncio.ensure_future(send(request))
    await sink.send(body)
    sink.close()
    return await answer
