/* Leaving the emulator: Arm semihosting's SYS_EXIT_EXTENDED. */
#ifndef EDGEKIT_SEMIHOSTING_H
#define EDGEKIT_SEMIHOSTING_H

/* End QEMU with this exit code (it must run with -semihosting-config enable=on; without,
 * the breakpoint is a fault within a fault, on which QEMU aborts). Never returns. */
__attribute__((noreturn)) void semihosting_exit(int code);

#endif /* EDGEKIT_SEMIHOSTING_H */
