"""Takes requests, says the path of each on standard output, and answers none: hold.py SEND RECV"""
import sys

import zmq

context = zmq.Context()
replies = context.socket(zmq.PUB)
replies.connect(sys.argv[2])
requests = context.socket(zmq.PULL)
requests.connect(sys.argv[1])
while True:
    print(requests.recv().split(b" ", 3)[2].decode(), flush=True)
