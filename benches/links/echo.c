/* A handler on libzmq that sends each message back: echo SEND_SPEC RECV_SPEC.
 * cc -O2 -o echo echo.c -lzmq */
#include <zmq.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    void *context = zmq_ctx_new();
    void *pull = zmq_socket(context, ZMQ_PULL), *pub = zmq_socket(context, ZMQ_XPUB);
    char subscription[64];
    int no_bound = 0;
    /* PUB drops what is over its bound, which it learns of late when the machine is busy. */
    zmq_setsockopt(pub, ZMQ_SNDHWM, &no_bound, sizeof no_bound);
    zmq_connect(pub, argv[2]);
    zmq_recv(pub, subscription, sizeof subscription, 0);
    zmq_send(pub, "ready", 5, 0);
    zmq_connect(pull, argv[1]);
    for (;;) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, pull, 0) < 0 || zmq_msg_send(&message, pub, 0) < 0)
            return 1;
    }
}
