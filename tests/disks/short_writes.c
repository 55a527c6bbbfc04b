/* Every pwritev and pwrite writes less than it was asked to, as a kernel may: LD_PRELOAD this. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_ulong drawn;

static unsigned long draw(void) {
    const char* seed = getenv("FERRY_SHORT_WRITES");
    unsigned long x = atomic_fetch_add(&drawn, 1) + (seed ? strtoul(seed, NULL, 10) : 0);
    x = (x ^ (x >> 13)) * 0x9E3779B97F4A7C15UL;
    return x ^ (x >> 29);
}

ssize_t pwritev(int fd, const struct iovec* pieces, int count, off_t offset) {
    static ssize_t (*real)(int, const struct iovec*, int, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwritev");
    const unsigned long d = draw();
    if (count > 1 && d % 2) count = 1 + (int)(d % (unsigned long)count);
    struct iovec last = pieces[0];
    if (count == 1 && last.iov_len > 1) {
        last.iov_len = 1 + d % (last.iov_len - 1);
        pieces = &last;
    }
    return real(fd, pieces, count, offset);
}
