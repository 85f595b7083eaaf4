# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""slow.py LIBRARY CHANNEL SECONDS: receive until the last sender has gone, and rest so long after each message."""
import ctypes
import sys
import time

tessera = ctypes.CDLL(sys.argv[1])


class Handle(ctypes.Structure):
    _fields_ = [("handle", ctypes.c_uint64)]


class Msg(ctypes.Structure):
    _fields_ = [("name", ctypes.c_uint64), ("range", ctypes.c_uint64), ("data", ctypes.c_void_p),
                ("length", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("stamp", ctypes.c_uint64)]


FOREVER = ctypes.c_uint64(2**64 - 1)
client, receiver, msg = Handle(), Handle(), Msg()
assert tessera.tsr_attach(None, ctypes.byref(client)) == 0
assert tessera.tsr_receiver_open(client, sys.argv[2].encode(), None, ctypes.byref(receiver)) == 0
while tessera.tsr_recv(receiver, ctypes.byref(msg), FOREVER) == 0:
    assert tessera.tsr_release(client, ctypes.byref(msg)) == 0
    time.sleep(float(sys.argv[3]))
assert tessera.tsr_detach(client) == 0
