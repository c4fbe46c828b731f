#include <stdint.h>
#include <string.h>

/* Right shifts of negative numbers are arithmetic, as in every compiler that PlatformIO
 * brings (C99 leaves it open). Nothing else here is left to the implementation. */

#if defined(__GNUC__)
#define EDGEKIT_NOINLINE __attribute__((noinline))
#define EDGEKIT_INLINE static inline __attribute__((always_inline))
#else
#define EDGEKIT_NOINLINE
#define EDGEKIT_INLINE static inline
#endif
