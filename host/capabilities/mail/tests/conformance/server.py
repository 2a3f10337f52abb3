"""A mail server for the tests: aiosmtpd, and a certificate of its own.

    server.py plain|starttls|tls FOLDER

With starttls and tls it wants a login, `ada@example.org` with `pass:word/1`. Its first line says where it is
and which certificate to trust; each further one is a mail that it has taken, as Python's own parser reads it.
`busy@...` is told to come again, `nobody@...` that there is no such mailbox.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mode, folder = sys.argv[1:]


def say(what):
    print(json.dumps(what), flush=True)


def text_of(message, kind):
    part = message.get_body(preferencelist=(kind,))
    return part.get_content() if part else None


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("busy@"):
            return "451 4.3.0 come again\x07 later"
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": bool(session.ssl) or mode == "tls",
            "login": bool(session.authenticated),
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "kind": message.get_content_type(),
            "text": text_of(message, "plain"),
            "html": text_of(message, "html"),
        })
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = data == LoginPassword(b"ada@example.org", b"pass:word/1")
    return AuthResult(success=right, handled=right)


async def main():
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{folder}/{mode}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    settings = {}
    if mode != "plain":
        settings = {"auth_required": True, "authenticator": authenticate, "auth_require_tls": mode == "starttls"}
    if mode == "starttls":
        settings |= {"tls_context": context, "require_starttls": True}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), enable_SMTPUTF8=False, **settings),
        "127.0.0.1",
        0,
        ssl=context if mode == "tls" else None,
    )
    say({"port": server.sockets[0].getsockname()[1], "certificate": f"{folder}/{mode}.pem"})
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
