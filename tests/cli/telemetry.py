#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""telemetry.py SOCKET COMMAND...: ask DPDK's telemetry, write each answer as a line.

A command that ends in ,* is asked for again with the `next` of its answer, and the parts are put together.
"""
import json
import socket
import sys


def ask(connection, command):
    connection.send(command.encode())
    reply = connection.recv(65536)
    assert len(reply) <= most, f"{command}: {len(reply)} bytes"
    return json.loads(reply)[command.split(",")[0]]


def ask_all(connection, command):
    rows, parts, first = {}, 0, 0
    while first is not None:
        part = ask(connection, f"{command},{first}")
        first = part.pop("next", None)
        assert not rows.keys() & part.keys()
        rows.update(part)
        parts += 1
    return {"parts": parts, "rows": list(rows.values())}


connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect(sys.argv[1])
most = json.loads(connection.recv(1024))["max_output_len"]
for command in sys.argv[2:]:
    all_of = command.endswith(",*")
    print(json.dumps(ask_all(connection, command[:-2]) if all_of else ask(connection, command)), flush=True)
