/* The clocks of the process it is loaded into: each reading is a nanosecond after the one before, and the machine's time
   goes unseen. A round of commands then never ends early, and no clock is read again because time has passed. */
#include "clock_calls.h"

#include <stdatomic.h>
#include <stdint.h>

static const time_t start_s = 1800000000;
static atomic_int_fast64_t readings;

int clock_gettime(clockid_t clock, struct timespec *at) {
    int64_t passed_ns = atomic_fetch_add_explicit(&readings, 1, memory_order_relaxed);
    (void)clock;
    at->tv_sec = start_s + passed_ns / 1000000000;
    at->tv_nsec = passed_ns % 1000000000;
    return 0;
}
