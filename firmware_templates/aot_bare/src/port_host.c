/* The link and the clock of an ordinary program: stdin, stdout, the monotonic clock.
 *
 * The program ends when stdin does, or when nobody reads stdout any more.
 */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 199309L /* clock_gettime() */
#endif

#include <stdio.h>
#include <stdlib.h>

#include "edgekit_port.h"

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <windows.h>

static LARGE_INTEGER clock_start;
static LARGE_INTEGER clock_frequency;

static void platform_init(void) {
  (void)_setmode(_fileno(stdin), _O_BINARY); /* "\r\n" must stay as it is */
  (void)_setmode(_fileno(stdout), _O_BINARY);
  QueryPerformanceFrequency(&clock_frequency);
  QueryPerformanceCounter(&clock_start);
}

uint32_t edgekit_port_time_us(void) {
  LARGE_INTEGER now;
  QueryPerformanceCounter(&now);
  const uint64_t ticks = (uint64_t)(now.QuadPart - clock_start.QuadPart);
  const uint64_t frequency = (uint64_t)clock_frequency.QuadPart;
  return (uint32_t)(ticks / frequency * 1000000u + ticks % frequency * 1000000u / frequency);
}
#else
#include <time.h>

static struct timespec clock_start;

static void platform_init(void) { clock_gettime(CLOCK_MONOTONIC, &clock_start); }

uint32_t edgekit_port_time_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t seconds = (int64_t)now.tv_sec - (int64_t)clock_start.tv_sec;
  const int64_t nanoseconds = (int64_t)now.tv_nsec - (int64_t)clock_start.tv_nsec;
  return (uint32_t)(seconds * 1000000 + nanoseconds / 1000);
}
#endif

void edgekit_port_init(void) { platform_init(); }

/* Waits for a byte: there is nothing else to do, and it costs no processor time. */
int edgekit_port_read(void) {
  const int byte = getchar();
  if (byte == EOF) {
    exit(EXIT_SUCCESS);
  }
  return byte;
}

void edgekit_port_write(const char *bytes, size_t count) {
  if (fwrite(bytes, 1, count, stdout) != count || fflush(stdout) != 0) {
    exit(EXIT_FAILURE);
  }
}

/* A process has as much stack as it likes, and nothing paints it. */
uint32_t edgekit_port_stack_used_bytes(void) { return 0; }
