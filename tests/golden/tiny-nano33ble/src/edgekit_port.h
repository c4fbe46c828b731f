/* What the protocol needs of a board: bytes in, bytes out, a clock. */
#ifndef EDGEKIT_PORT_H
#define EDGEKIT_PORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Set up the link and the clock. */
void edgekit_port_init(void);

/* The next received byte, or -1 if there is none yet. */
int edgekit_port_read(void);

/* Send bytes; returns when they are handed on. */
void edgekit_port_write(const char *bytes, size_t count);

/* Microseconds since start, wrapping at 2^32. On a board that is emulated with an
 * instruction counter, thousands of executed instructions. */
uint32_t edgekit_port_time_us(void);

/* Deepest stack use since start in bytes, or 0 where it is not known. */
uint32_t edgekit_port_stack_used_bytes(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_PORT_H */
