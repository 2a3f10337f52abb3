"""A guest in Python, made by componentize-py (WASI 0.3), that does not know us."""

from urllib.parse import parse_qs, urlsplit

import componentize_py_async_support
import wit_world
from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import client
from wit_world.imports.wasi_http_types import (
    Fields,
    Method_Post,
    Request,
    Response,
    Scheme_Http,
)


class Handler(exports.Handler):
    async def handle(self, request):
        target = urlsplit(request.get_path_with_query())
        url = parse_qs(target.query).get("url", [None])[0]
        match target.path.rsplit("/", 1)[-1]:
            case "hello":
                return answer(whole(b"hello"))
            case "echo":
                return answer(whole(await read(Request, request)))
            case "stream":
                return answer(two_pieces(url))
            case "forward":
                forwarded = await fetch(url, await read(Request, request))
                status = forwarded.get_status_code()
                return answer(whole(await read(Response, forwarded)), status)
            case "denied":
                try:
                    await fetch(url)
                    return answer(whole(b"answered"))
                except Err:
                    return answer(whole(b"refused"))
            case "pour":
                return answer(endless())
            case "fail":
                raise RuntimeError("as asked")
            case _:
                return answer(whole(b""), 404)


async def whole(body):
    yield body


async def two_pieces(url):
    yield b"first "
    yield await read(Response, await fetch(url))


async def endless():
    while True:
        yield b"x" * 4096


def no_trailers():
    future = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future
    return future(lambda: Ok(None))[1]


async def write(writer, pieces):
    with writer:
        async for piece in pieces:
            await writer.write_all(piece)
            if writer.reader_dropped:
                break


def answer(pieces, status=200):
    writer, reader = wit_world.byte_stream()
    response, _ = Response.new(Fields(), reader, no_trailers())
    response.set_status_code(status)
    componentize_py_async_support.spawn(write(writer, pieces))
    return response


async def read(kind, message):
    done = wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))[1]
    stream, _ = kind.consume_body(message, done)
    body = bytearray()
    with stream:
        while not stream.writer_dropped:
            body += await stream.read(64 * 1024)
    return bytes(body)


async def fetch(url, body=None):
    target = urlsplit(url)
    reader = None
    if body is not None:
        writer, reader = wit_world.byte_stream()
        componentize_py_async_support.spawn(write(writer, whole(body)))
    request, _ = Request.new(Fields(), reader, no_trailers(), None)
    if body is not None:
        request.set_method(Method_Post())
    request.set_scheme(Scheme_Http())
    request.set_authority(target.netloc)
    request.set_path_with_query(target.path)
    return await client.send(request)
