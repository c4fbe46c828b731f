/* The port for Arm's MPS2 boards as QEMU emulates them: CMSDK UART 0 and SysTick.
 *
 * Under -icount shift=0 one virtual nanosecond is one executed instruction. SysTick counts
 * virtual time at 25 MHz, so one tick is 40 instructions, and what edgekit_port_time_us()
 * calls a microsecond is 1000 instructions, to within one tick.
 */
#include "edgekit_port.h"

#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__)

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Cortex-M System Design Kit (Arm DDI0479), APB UART; UART 0 of AN385, AN386 and AN500. */
#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u)
#define UART_CTRL REGISTER(0x40004008u)
#define UART_INTCLEAR REGISTER(0x4000400Cu)
#define UART_BAUDDIV REGISTER(0x40004010u)
#define UART_STATE_TX_FULL (1u << 0)
#define UART_STATE_RX_FULL (1u << 1)
#define UART_CTRL_TX_ENABLE (1u << 0)
#define UART_CTRL_RX_ENABLE (1u << 1)
#define UART_CTRL_RX_INTERRUPT (1u << 3)
#define UART_INT_RX (1u << 1)
#define UART_BAUDDIV_LOWEST 16u
#define UART_RX_INTERRUPT 0u

/* Armv7-M Architecture Reference Manual, B3.2 to B3.4. */
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define SYST_CSR_PROCESSOR_CLOCK (1u << 2)
#define SYST_CSR_INTERRUPT (1u << 1)
#define SYST_CSR_ENABLE (1u << 0)
#define NVIC_ISER0 REGISTER(0xE000E100u)
#define NVIC_ICER0 REGISTER(0xE000E180u)
#define NVIC_ICPR0 REGISTER(0xE000E280u)
#define ICSR REGISTER(0xE000ED04u)
#define ICSR_SYSTICK_PENDING (1u << 26)

#define TICKS_PER_US 25u /* QEMU hw/arm/mps2.c, SYSCLK_FRQ */

/* SysTick's period: the most whole microseconds that its 24 bits hold, so that time is a
 * multiple of whole periods and 32-bit arithmetic is enough. */
#define PERIOD_US 671088u
#define PERIOD_TICKS (PERIOD_US * TICKS_PER_US)

/* How often an empty UART is looked at before the core sleeps until a byte comes. QEMU
 * needs some 30 us to hand over the next byte of a line; sleeping between bytes would halve
 * the rate, never sleeping would keep a processor of the computer busy. */
#define POLLS_BEFORE_SLEEP 500u

/* From the platform's linker script and start-up code. */
extern uint32_t __stack_bottom[], __stack_top[];
#define STACK_PAINT 0xA5A5A5A5u

void SysTick_Handler(void);

static volatile uint32_t periods;
static uint32_t empty_polls;
static int first_byte = -1;

void SysTick_Handler(void) { ++periods; }

static uint32_t interrupts_disable(void) {
  uint32_t previous;
  __asm volatile("mrs %0, primask\n cpsid i" : "=r"(previous)::"memory");
  return previous;
}

static void interrupts_restore(uint32_t previous) {
  __asm volatile("msr primask, %0" ::"r"(previous) : "memory");
}

void edgekit_port_init(void) {
  UART_BAUDDIV = UART_BAUDDIV_LOWEST;
  UART_CTRL = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE | UART_CTRL_RX_INTERRUPT;
  /* Until DATA is read once, QEMU does not notice that the receiver is on and looks only
   * about once a second whether it can hand over a byte. Nothing received reads as 0,
   * which no command contains; anything else is a byte that has just come. */
  const uint32_t data = UART_DATA & 0xFFu;
  if (data != 0) {
    first_byte = (int)data;
  }

  SYST_RVR = PERIOD_TICKS - 1;
  SYST_CVR = 0;
  SYST_CSR = SYST_CSR_PROCESSOR_CLOCK | SYST_CSR_INTERRUPT | SYST_CSR_ENABLE;
}

/* Sleep until the UART has a byte, or SysTick's period ends. With interrupts masked, a
 * pending one wakes the core but is not taken, and a byte that comes just before the WFI
 * is not slept through. */
static void sleep_until_received(void) {
  const uint32_t previous = interrupts_disable();
  UART_INTCLEAR = UART_INT_RX;
  NVIC_ICPR0 = 1u << UART_RX_INTERRUPT;
  NVIC_ISER0 = 1u << UART_RX_INTERRUPT;
  if ((UART_STATE & UART_STATE_RX_FULL) == 0) {
    __asm volatile("dsb\n wfi" ::: "memory");
  }
  NVIC_ICER0 = 1u << UART_RX_INTERRUPT;
  __asm volatile("dsb\n isb" ::: "memory");
  interrupts_restore(previous);
}

/* The UART holds one byte, and QEMU the rest until it is read: polling loses nothing. */
int edgekit_port_read(void) {
  if (first_byte >= 0) {
    const int byte = first_byte;
    first_byte = -1;
    return byte;
  }
  if ((UART_STATE & UART_STATE_RX_FULL) != 0) {
    empty_polls = 0;
    return (int)(UART_DATA & 0xFFu);
  }
  if (++empty_polls >= POLLS_BEFORE_SLEEP) {
    empty_polls = 0;
    sleep_until_received();
  }
  return -1;
}

void edgekit_port_write(const char *bytes, size_t count) {
  for (size_t index = 0; index < count; ++index) {
    while ((UART_STATE & UART_STATE_TX_FULL) != 0) {
    }
    UART_DATA = (uint8_t)bytes[index];
  }
}

uint32_t edgekit_port_time_us(void) {
  const uint32_t previous = interrupts_disable();
  uint32_t whole = periods;
  uint32_t left = SYST_CVR;
  if ((ICSR & ICSR_SYSTICK_PENDING) != 0) { /* a period ended, and was not yet counted */
    left = SYST_CVR;
    ++whole;
  }
  interrupts_restore(previous);
  const uint32_t elapsed_ticks = left == 0 ? 0 : PERIOD_TICKS - left;
  return whole * PERIOD_US + elapsed_ticks / TICKS_PER_US;
}

uint32_t edgekit_port_stack_used_bytes(void) {
  const uint32_t *lowest_used = __stack_bottom;
  while (lowest_used < __stack_top && *lowest_used == STACK_PAINT) {
    ++lowest_used;
  }
  return (uint32_t)((const char *)__stack_top - (const char *)lowest_used);
}

#endif
