"""A handler outside the server's chroot: answers each finished upload with what it found in its file.

Usage: upload_handler.py SEND_SPEC RECV_SPEC CHROOT

The file is deleted unless the path ends in /keep. Other requests are not answered.
"""

import hashlib
import json
import os
import sys

import zmq


def netstring(text):
    length, _, rest = text.partition(b":")
    return rest[: int(length)], rest[int(length) + 1 :]


def main():
    send_spec, recv_spec, chroot = sys.argv[1:]
    context = zmq.Context()
    requests = context.socket(zmq.PULL)
    # An XPUB hears of the server's subscription; what a PUB sends before that is lost.
    replies = context.socket(zmq.XPUB)
    requests.connect(send_spec)
    replies.connect(recv_spec)
    replies.recv()
    print("ready", flush=True)
    while True:
        _sender, conn, path, rest = requests.recv().split(b" ", 3)
        headers = json.loads(netstring(rest)[0])
        done = headers.get("x-mongrel2-upload-done")
        if done is None or done != headers.get("x-mongrel2-upload-start"):
            continue
        name = os.path.join(chroot, done.lstrip("/"))
        status = os.stat(name)
        with open(name, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        whole = headers["x-mongrel2-upload-digest"] == "sha-256=" + digest
        whole = whole and headers["x-mongrel2-upload-size"] == str(status.st_size)
        if not path.endswith(b"/keep"):
            os.remove(name)
        body = f"{done} {status.st_uid} {status.st_mode & 0o777:o} {whole}".encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        replies.send(b"upload-handler %d:%s, %s%s" % (len(conn), conn, head, body))


main()
