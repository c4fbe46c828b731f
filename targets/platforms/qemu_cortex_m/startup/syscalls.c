/* What newlib asks of a system. There are no files here: only memory and an end.
 * What nobody calls is dropped by the linker. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "semihosting.h"

extern char __heap_start[], __heap_end[];

/* C++ registers the destructors of static objects under this; main() never returns to
 * run them. */
void *__dso_handle = NULL;

#define EXIT_PURE_VIRTUAL 72

/* Arm IHI 0100 (semihosting), SYS_EXIT_EXTENDED and ADP_Stopped_ApplicationExit. */
#define SYS_EXIT_EXTENDED 0x20
#define APPLICATION_EXIT 0x20026

void semihosting_exit(int code) {
  const uintptr_t block[2] = {APPLICATION_EXIT, (uintptr_t)code};
  register uint32_t operation __asm("r0") = SYS_EXIT_EXTENDED;
  register const uintptr_t *argument __asm("r1") = block;
  for (;;) {
    __asm volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
  }
}

void __cxa_pure_virtual(void) { semihosting_exit(EXIT_PURE_VIRTUAL); }

void _exit(int code) { semihosting_exit(code); }

void *_sbrk(ptrdiff_t increment) {
  static char *end = __heap_start;
  char *const previous = end;
  if (increment > __heap_end - end || increment < __heap_start - end) {
    errno = ENOMEM;
    return (void *)-1;
  }
  end += increment;
  return previous;
}

int _getpid(void) { return 1; }

int _kill(int process, int signal) {
  (void)process;
  semihosting_exit(128 + signal);
}

static int no_file(void) {
  errno = EBADF;
  return -1;
}

int _close(int file) {
  (void)file;
  return no_file();
}

int _read(int file, char *bytes, int count) {
  (void)file, (void)bytes, (void)count;
  return no_file();
}

int _write(int file, const char *bytes, int count) {
  (void)file, (void)bytes, (void)count;
  return no_file();
}

int _lseek(int file, int offset, int origin) {
  (void)file, (void)offset, (void)origin;
  return no_file();
}

int _isatty(int file) {
  (void)file;
  return 0;
}

int _fstat(int file, struct stat *status) {
  (void)file, (void)status;
  return no_file();
}
