/* From reset to main() on an MPS2 board: vector table, memory, stack paint, FPU. */
#include <stdint.h>

#include "semihosting.h"

typedef void (*handler)(void);

extern uint32_t __stack_bottom[], __stack_top[];
extern uint32_t __data_load[], __data_start[], __data_end[];
extern uint32_t __bss_start[], __bss_end[];
extern handler __init_array_start[], __init_array_end[];

int main(void);

/* What unused stack holds. A port finds the deepest use as the lowest word that differs
 * between __stack_bottom and __stack_top. */
#define STACK_PAINT 0xA5A5A5A5u

/* Exit codes of what ends the program without main() returning. */
#define EXIT_FAULT 70
#define EXIT_UNEXPECTED_INTERRUPT 71

/* Armv7-M Architecture Reference Manual, B3.2.20: CPACR, CP10 and CP11 full access. */
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_FPU (0xFu << 20)

/* Armv7-M Architecture Reference Manual, B3.5: the memory protection unit. */
#define MPU_CTRL (*(volatile uint32_t *)0xE000ED94u)
#define MPU_RBAR (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_RASR (*(volatile uint32_t *)0xE000EDA0u)
#define MPU_CTRL_PRIVDEFENA (1u << 2)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_RBAR_VALID (1u << 4)
#define MPU_RASR_XN (1u << 28)
#define MPU_RASR_SIZE_256_MIB (27u << 1)
#define MPU_RASR_ENABLE (1u << 0)

/* The 256 MiB below the RAM, which the stack would grow into. */
#define BELOW_RAM 0x10000000u

/* Words below the stack pointer that painting leaves alone: Reset_Handler's own. */
#define PAINT_MARGIN_WORDS 16

static void fpu_enable(void) {
#if defined(__ARM_FP)
  CPACR |= CPACR_FPU;
  __asm volatile("dsb\n isb" ::: "memory");
#endif
}

/* QEMU maps a device below the RAM that drops writes and reads as 0. Forbidden, so that
 * a stack that outgrows its room is a fault there and then. */
static void stack_guard_enable(void) {
  MPU_RBAR = BELOW_RAM | MPU_RBAR_VALID;
  MPU_RASR = MPU_RASR_XN | MPU_RASR_SIZE_256_MIB | MPU_RASR_ENABLE;
  MPU_CTRL = MPU_CTRL_PRIVDEFENA | MPU_CTRL_ENABLE;
  __asm volatile("dsb\n isb" ::: "memory");
}

static uint32_t *stack_pointer(void) {
  uint32_t *sp;
  __asm volatile("mov %0, sp" : "=r"(sp));
  return sp;
}

void Reset_Handler(void) {
  fpu_enable();
  stack_guard_enable();

  /* volatile: not to become calls of memset and memcpy, which need stack themselves. */
  volatile uint32_t *const unused_end = stack_pointer() - PAINT_MARGIN_WORDS;
  for (volatile uint32_t *word = __stack_bottom; word < unused_end; ++word) {
    *word = STACK_PAINT;
  }
  volatile uint32_t *to = __data_start;
  for (const uint32_t *from = __data_load; to < __data_end; ++from, ++to) {
    *to = *from;
  }
  for (to = __bss_start; to < __bss_end; ++to) {
    *to = 0;
  }
  for (const handler *init = __init_array_start; init < __init_array_end; ++init) {
    (*init)();
  }
  semihosting_exit(main());
}

/* A fault ends QEMU with an exit code, so that the link is cut and not silent forever.
 * The stack may be what is broken: take it from the top again. */
__attribute__((naked)) void HardFault_Handler(void) {
  __asm volatile(
      "ldr r0, =__stack_top\n"
      "mov sp, r0\n"
      "mov r0, %0\n"
      "b semihosting_exit\n"
      :
      : "i"(EXIT_FAULT));
}

void Default_Handler(void) { semihosting_exit(EXIT_UNEXPECTED_INTERRUPT); }

#define OPTIONAL __attribute__((weak, alias("Default_Handler")))
void NMI_Handler(void) OPTIONAL;
void MemManage_Handler(void) OPTIONAL;
void BusFault_Handler(void) OPTIONAL;
void UsageFault_Handler(void) OPTIONAL;
void SVC_Handler(void) OPTIONAL;
void DebugMon_Handler(void) OPTIONAL;
void PendSV_Handler(void) OPTIONAL;
void SysTick_Handler(void) OPTIONAL;
void UARTRX0_Handler(void) OPTIONAL;
void UARTTX0_Handler(void) OPTIONAL;

/* Interrupts 0 and 1 are UART 0's (QEMU hw/arm/mps2.c, uart_txrx_irqs); no other is enabled. */
__attribute__((section(".vectors"), used)) static const struct {
  uint32_t *stack_top;
  handler exceptions[15];
  handler interrupts[2];
} vectors = {
    .stack_top = __stack_top,
    .exceptions =
        {
            Reset_Handler,      /* 1 */
            NMI_Handler,        /* 2 */
            HardFault_Handler,  /* 3 */
            MemManage_Handler,  /* 4 */
            BusFault_Handler,   /* 5 */
            UsageFault_Handler, /* 6 */
            [10] = SVC_Handler, /* 11 */
            DebugMon_Handler,   /* 12 */
            [13] = PendSV_Handler, /* 14 */
            SysTick_Handler,    /* 15 */
        },
    .interrupts = {UARTRX0_Handler, UARTTX0_Handler},
};
