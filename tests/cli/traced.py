# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""traced.py LIBRARY: every call of a message's path once, in batches too, and each of their errors."""
import ctypes
import errno
import sys
import threading

tessera = ctypes.CDLL(sys.argv[1])
COUNT = 40


class Handle(ctypes.Structure):
    _fields_ = [("handle", ctypes.c_uint64)]


class Msg(ctypes.Structure):
    _fields_ = [("name", ctypes.c_uint64), ("range", ctypes.c_uint64), ("data", ctypes.c_void_p),
                ("length", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("stamp", ctypes.c_uint64)]


NOWAIT = ctypes.c_uint64(0)
client, sender, receiver, done = Handle(), Handle(), Handle(), ctypes.c_size_t()
msgs, msg = (Msg * COUNT)(), Msg()


def must(result, expected=0):
    assert result == expected, (result, expected)


must(tessera.tsr_attach(None, ctypes.byref(client)))
must(tessera.tsr_sender_open(client, b"batch", None, ctypes.byref(sender)))
must(tessera.tsr_receiver_open(client, b"batch", None, ctypes.byref(receiver)))

must(tessera.tsr_alloc_batch(client, 100, msgs, COUNT, ctypes.byref(done)))
must(done.value, COUNT)
must(tessera.tsr_send_batch(sender, msgs, COUNT, NOWAIT, ctypes.byref(done)))
must(done.value, COUNT)
must(tessera.tsr_recv_batch(receiver, msgs, COUNT, NOWAIT, ctypes.byref(done)))
must(done.value, COUNT)
must(tessera.tsr_recv_batch(receiver, msgs, COUNT, NOWAIT, ctypes.byref(done)), -errno.EAGAIN)
must(tessera.tsr_recv(receiver, ctypes.byref(msg), NOWAIT), -errno.EAGAIN)
must(tessera.tsr_release_batch(client, msgs, COUNT, ctypes.byref(done)))
must(done.value, COUNT)

# What is not ours any more, or was never there.
must(tessera.tsr_release(client, ctypes.byref(msgs[0])), -errno.ESTALE)
must(tessera.tsr_send(sender, ctypes.byref(msgs[0]), NOWAIT), -errno.ESTALE)
must(tessera.tsr_send_batch(sender, msgs, COUNT, NOWAIT, ctypes.byref(done)), -errno.ESTALE)
must(tessera.tsr_alloc(client, 0, ctypes.byref(msg)), -errno.EINVAL)
dead = Handle(1)
must(tessera.tsr_send_batch(dead, msgs, 0, NOWAIT, ctypes.byref(done)), -errno.ENOTCONN)
must(tessera.tsr_recv_batch(dead, msgs, 0, NOWAIT, ctypes.byref(done)), -errno.ENOTCONN)


def elsewhere():
    """A thread with magazines of its own, which go back when it ends."""
    mine = Msg()
    must(tessera.tsr_alloc(client, 100, ctypes.byref(mine)))
    must(tessera.tsr_release(client, ctypes.byref(mine)))


thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
must(tessera.tsr_sender_close(sender))
must(tessera.tsr_recv(receiver, ctypes.byref(msg), NOWAIT), -errno.EPIPE)
must(tessera.tsr_detach(client))
