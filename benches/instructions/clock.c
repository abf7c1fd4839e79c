/* The clocks of the process it is loaded into: each reading is a nanosecond after the one before, and the machine's time
   goes unseen. A round of commands then never ends early, and no clock is read again because time has passed. */
#include <stdatomic.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

static const time_t start_s = 1800000000;
static atomic_int_fast64_t readings;

int clock_gettime(clockid_t clock, struct timespec *at) {
    int64_t passed_ns = atomic_fetch_add_explicit(&readings, 1, memory_order_relaxed);
    (void)clock;
    at->tv_sec = start_s + passed_ns / 1000000000;
    at->tv_nsec = passed_ns % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
