/* A whole handler: says hello to every request. Needs libzmq: cc -o hello hello.c -lzmq */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static char message[1 << 20], sender[65], id[21], path[8193], body[9000], reply[10000];

int main(int argc, char **argv) {
    void *context = zmq_ctx_new();
    void *requests = zmq_socket(context, ZMQ_PULL), *replies = zmq_socket(context, ZMQ_PUB);
    zmq_connect(requests, argc > 2 ? argv[1] : "tcp://127.0.0.1:9997");
    zmq_connect(replies, argc > 2 ? argv[2] : "tcp://127.0.0.1:9996");
    for (;;) {
        int size = zmq_recv(requests, message, sizeof message - 1, 0);
        message[size < 0 ? 0 : size < (int)sizeof message ? size : (int)sizeof message - 1] = 0;
        if (sscanf(message, "%64s %20s %8192s", sender, id, path) != 3 || path[0] == '@')
            continue; /* a client left; nobody waits for an answer */
        int length = snprintf(body, sizeof body, "Hello from C, you asked for %s\n", path);
        length = snprintf(reply, sizeof reply,
            "%s %zu:%s, HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
            sender, strlen(id), id, length, body);
        zmq_send(replies, reply, length, 0);
    }
}
