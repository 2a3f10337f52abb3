#!/usr/bin/env python3
"""Makes `countries.bin`, `ipv4.bin`, `ipv6.bin` and `distances.bin`: which country addresses of the network are
registered for, and how far countries are from each other. It takes numpy and what these packages have:

    npm pack @ip-location-db/asn-country@2.3.2026061719 world-atlas@2.0.2 i18n-iso-countries@7.14.0
    ./countries.py ASN-COUNTRY WORLD-ATLAS ISO-COUNTRIES    # the unpacked folders

- `countries.bin`: the codes of all countries (ISO 3166-1), two letters each, sorted. Others mean them by their place.
- `ipv4.bin`, `ipv6.bin`: where each country begins, sorted: the first three bytes of an address (four of IPv6), and
  the country, or 255 for none. What nobody has goes with what is before it.
- `distances.bin`: of each country to each before it, from border to border in units of 100 kilometres, rounded down; 0
  where it is not known.
"""

import csv
import ipaddress
import json
import pathlib
import sys

import numpy

asn, atlas, iso = (pathlib.Path(folder) for folder in sys.argv[1:4])
here = pathlib.Path(__file__).parent
# What is not of the one network, or for examples.
NOBODY = ""


def beginnings(name: str, bits: int, nobodys: str) -> list[tuple[int, str]]:
    with open(asn / name) as rows:
        ranges = [(int(first), country) for first, _, country in csv.reader(rows)]
    ranges += [(int(ipaddress.ip_network(one)[0]), NOBODY) for one in nobodys.split()]
    found: list[tuple[int, str]] = []
    for first, country in sorted(ranges):
        at = first >> bits
        if not found or (found[-1][1] != country and found[-1][0] != at):
            found.append((at, country))
    return found


def packed(entries: list[tuple[int, str]], length: int) -> bytes:
    out = bytearray()
    for at, country in entries:
        out += at.to_bytes(length)
        out.append(255 if country == NOBODY else codes.index(country))
    return bytes(out)


def outlines() -> dict[str, numpy.ndarray]:
    """Points of each country's border, as unit vectors."""
    map_ = json.loads((atlas / "countries-50m.json").read_text())
    letters = {number: two for two, _, number, *_ in json.loads((iso / "codes.json").read_text())}
    scale, shift = (numpy.array(map_["transform"][key]) for key in ("scale", "translate"))
    arcs = [numpy.cumsum(arc, axis=0) * scale + shift for arc in map_["arcs"]]

    def flat(arcs_of):
        for one in arcs_of:
            if isinstance(one, list):
                yield from flat(one)
            else:
                yield one if one >= 0 else ~one

    borders = {}
    for country in map_["objects"]["countries"]["geometries"]:
        code = letters.get(country.get("id"))
        if code in codes and country.get("arcs"):
            points = numpy.concatenate([arcs[arc] for arc in flat(country["arcs"])])
            points = numpy.radians(points[:: max(1, len(points) // 600)])
            east, north = points[:, 0], points[:, 1]
            vectors = (numpy.cos(north) * numpy.cos(east), numpy.cos(north) * numpy.sin(east), numpy.sin(north))
            # Some have several geometries.
            borders.setdefault(code, []).append(numpy.stack(vectors, axis=1))
    return {code: numpy.concatenate(points) for code, points in borders.items()}


ipv4 = beginnings(
    "asn-country-ipv4-num.csv",
    8,
    "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.168.0.0/16"
    " 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3",
)
ipv6 = beginnings("asn-country-ipv6-num.csv", 96, "2001:db8::/32 2002::/16 3fff::/20 4000::/2")
codes = sorted({country for _, country in ipv4 + ipv6} - {NOBODY})
assert len(codes) < 255 and all(len(code) == 2 for code in codes)
borders = outlines()
distances = bytearray()
for place, one in enumerate(codes):
    for other in codes[:place]:
        if one in borders and other in borders:
            nearest = numpy.clip((borders[one] @ borders[other].T).max(), -1, 1)
            distances.append(int(numpy.arccos(nearest) * 6371 // 100))
        else:
            distances.append(0)
for name, made in (
    ("countries.bin", "".join(codes).encode()),
    ("ipv4.bin", packed(ipv4, 3)),
    ("ipv6.bin", packed(ipv6, 4)),
    ("distances.bin", bytes(distances)),
):
    (here / name).write_bytes(made)
    print(len(made), name)
