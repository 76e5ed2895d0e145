/* A clock that a test turns: preloaded into a program, it adds the seconds in the file SHOP_TEST_CLOCK to the time of
 * day. The file is mapped, so whoever changes it turns the clock of every program at once.
 *
 * Only the time of day is turned: what measures how long something takes goes on as it was. Who waits until a time of
 * day (librdkafka does) would wait for years; such a time is told by its size, for no machine has been up for 30 years.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define TIME_OF_DAY 1000000000

static const volatile int64_t *turned_by;

__attribute__((constructor)) static void open_clock(void)
{
    const char *path = getenv("SHOP_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *turned_by, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        turned_by = mapped;
    close(file);
}

static int64_t seconds(void) { return turned_by ? *turned_by : 0; }

static struct timespec as_it_is(const struct timespec *until)
{
    struct timespec real = *until;
    if (real.tv_sec > TIME_OF_DAY)
        real.tv_sec -= seconds();
    return real;
}

#define REAL(name) \
    static __typeof__(&name) real_##name; \
    if (!real_##name) \
        real_##name = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *found)
{
    REAL(clock_gettime);
    int result = real_clock_gettime(clock, found);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        found->tv_sec += seconds();
    return result;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone)
{
    REAL(gettimeofday);
    int result = real_gettimeofday(found, zone);
    if (result == 0)
        found->tv_sec += seconds();
    return result;
}

time_t time(time_t *found)
{
    REAL(time);
    time_t now = real_time(NULL) + seconds();
    if (found)
        *found = now;
    return now;
}

int timespec_get(struct timespec *found, int base)
{
    REAL(timespec_get);
    int result = real_timespec_get(found, base);
    if (result == TIME_UTC)
        found->tv_sec += seconds();
    return result;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
    REAL(cnd_timedwait);
    struct timespec real = as_it_is(until);
    return real_cnd_timedwait(condition, mutex, &real);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static __typeof__(&pthread_cond_timedwait) real_wait;
    /* glibc keeps an older function of this name, and dlsym finds that one. */
    if (!real_wait)
        real_wait = (__typeof__(real_wait))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real_wait)
        real_wait = (__typeof__(real_wait))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec real = as_it_is(until);
    return real_wait(condition, mutex, &real);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    REAL(sem_timedwait);
    struct timespec real = as_it_is(until);
    return real_sem_timedwait(semaphore, &real);
}
