/* Measures round trips between libzmq's own PUSH and SUB and handlers that echo:
 * round_trips SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES PEERS, as the example of the crate `bus`
 * does it. cc -O2 -o round_trips round_trips.c -lzmq */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "arguments: SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES PEERS\n");
        return 2;
    }
    long in_flight = atol(argv[3]), peers = atol(argv[6]);
    double seconds = atof(argv[4]);
    size_t bytes = (size_t)atol(argv[5]);
    char *body = malloc(bytes + 1);
    memset(body, 'x', bytes);
    void *context = zmq_ctx_new();
    void *push = zmq_socket(context, ZMQ_PUSH), *sub = zmq_socket(context, ZMQ_SUB);
    zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_bind(push, argv[1]) != 0 || zmq_bind(sub, argv[2]) != 0) {
        fprintf(stderr, "cannot bind: %s\n", zmq_strerror(zmq_errno()));
        return 1;
    }
    /* A handler says a word when its subscription has arrived. */
    for (long n = 0; n < peers; n++)
        zmq_recv(sub, body, bytes, 0);
    for (long n = 0; n < in_flight; n++)
        zmq_send(push, body, bytes, 0);
    double warm = now(CLOCK_MONOTONIC) + 0.5, end = warm + seconds, began = 0, cpu = 0, time = 0;
    long done = 0;
    while ((time = now(CLOCK_MONOTONIC)) < end) {
        if (began == 0 && time >= warm) {
            began = time;
            cpu = now(CLOCK_PROCESS_CPUTIME_ID);
            done = 0;
        }
        for (int n = 0; n < 64; n++) {
            zmq_msg_t message;
            zmq_msg_init(&message);
            zmq_msg_recv(&message, sub, 0);
            zmq_msg_close(&message);
            zmq_send(push, body, bytes, 0);
            done++;
        }
    }
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%.0f round trips/s, %.2f us of CPU each\n", (double)done / (time - began), cpu * 1e6 / (double)done);
    fflush(stdout);
    _Exit(0);
}
