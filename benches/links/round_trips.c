/* Measures round trips between libzmq's own PUSH and SUB and handlers that echo:
 * round_trips SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES HANDLERS, as the example of the crate
 * `bus` does it. cc -O2 -o round_trips round_trips.c -lzmq */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { MICROS_MAX = 1000000 };

/* Round trips by the microseconds they took. */
static uint32_t counts[MICROS_MAX];

static double seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* A message begins with the time at which it is sent. */
static void request(void *push, char *body, size_t bytes)
{
    uint64_t stamp = nanoseconds();
    memcpy(body, &stamp, sizeof stamp);
    zmq_send(push, body, bytes, 0);
}

static void arrived(void *data)
{
    uint64_t stamp, micros;
    memcpy(&stamp, data, sizeof stamp);
    micros = (nanoseconds() - stamp) / 1000;
    counts[micros < MICROS_MAX ? micros : MICROS_MAX - 1]++;
}

static long quantile(uint64_t enough)
{
    uint64_t seen = 0;
    for (long micros = 0; micros < MICROS_MAX; micros++)
        if ((seen += counts[micros]) > enough)
            return micros;
    return MICROS_MAX;
}

int main(int argc, char **argv)
{
    if (argc != 7 || atol(argv[5]) < 16) {
        fprintf(stderr, "arguments: SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES HANDLERS, "
                        "BYTES at least 16\n");
        return 64;
    }
    long in_flight = atol(argv[3]), handlers = atol(argv[6]);
    double length = atof(argv[4]);
    size_t bytes = (size_t)atol(argv[5]);
    char *body = malloc(bytes);
    memset(body, 'x', bytes);
    void *context = zmq_ctx_new();
    void *push = zmq_socket(context, ZMQ_PUSH), *sub = zmq_socket(context, ZMQ_SUB);
    zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_bind(push, argv[1]) != 0 || zmq_bind(sub, argv[2]) != 0) {
        fprintf(stderr, "cannot bind: %s\n", zmq_strerror(zmq_errno()));
        return 1;
    }
    /* A handler says a word when its subscription has arrived. */
    for (long n = 0; n < handlers; n++)
        zmq_recv(sub, body, bytes, 0);
    memset(body, 'x', bytes);
    for (long n = 0; n < in_flight; n++)
        request(push, body, bytes);
    double warm = seconds(CLOCK_MONOTONIC) + 0.5, end = warm + length, began = 0, cpu = 0, time;
    uint64_t done = 0;
    while ((time = seconds(CLOCK_MONOTONIC)) < end) {
        if (began == 0 && time >= warm) {
            began = time;
            cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
            memset(counts, 0, sizeof counts);
            done = 0;
        }
        for (int n = 0; n < 64; n++) {
            zmq_msg_t message;
            zmq_msg_init(&message);
            zmq_msg_recv(&message, sub, 0);
            arrived(zmq_msg_data(&message));
            zmq_msg_close(&message);
            request(push, body, bytes);
            done++;
        }
    }
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%.0f round trips/s, %.2f us of CPU each, p50 %ld us, p99 %ld us\n",
           (double)done / (time - began), cpu * 1e6 / (double)done, quantile(done / 2),
           quantile(done * 99 / 100));
    fflush(stdout);
    _Exit(0);
}
