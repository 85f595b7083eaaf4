# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""crowd.py LIBRARY N: make N channels, crowd.00000 and so on, of two slots; they stay when this ends."""
import ctypes
import sys

tessera = ctypes.CDLL(sys.argv[1])


class Handle(ctypes.Structure):
    _fields_ = [("handle", ctypes.c_uint64)]


class ChannelOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("capacity", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("kind", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


client = Handle()
shape = ChannelOptions(size=ctypes.sizeof(ChannelOptions), capacity=2)
assert tessera.tsr_attach(None, ctypes.byref(client)) == 0
for i in range(int(sys.argv[2])):
    error = tessera.tsr_channel_create(client, b"crowd.%05d" % i, ctypes.byref(shape))
    assert error == 0, (error, i)
assert tessera.tsr_detach(client) == 0
