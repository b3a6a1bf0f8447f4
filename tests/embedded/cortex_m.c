/* SPDX-License-Identifier: MIT
 *
 * What stands between reset and main on a Cortex-M: the vector table, memory as C wants it, and
 * report.h by semihosting, which an emulator or a debugger answers. There is no heap: whoever asks
 * for one ends the program.
 */
#include "report.h"

#include <stdint.h>
#include <string.h>

extern unsigned char data_begin[], data_end[], data_load[], bss_begin[], bss_end[], stack_top[];

int main(void);
void reset(void);
/* newlib's names */
void *_sbrk(ptrdiff_t increment);
_Noreturn void _exit(int status);

/* ---- Semihosting (ARM's "Semihosting for AArch32 and AArch64") -------------------------------- */

enum {
    SYS_WRITE0 = 0x04,
    SYS_EXIT_EXTENDED = 0x20,
    APPLICATION_EXIT = 0x20026
};

static void call_host(uint32_t operation, const void *parameter)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameter;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void put_text(const char *text)
{
    call_host(SYS_WRITE0, text);
}

_Noreturn void _exit(int status)
{
    const uint32_t block[] = {APPLICATION_EXIT, (uint32_t)status};
    call_host(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

/* ---- Start ------------------------------------------------------------------------------------ */

void reset(void)
{
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88 |= 0xFU << 20; /* CPACR: the floating-point unit is on */
    __asm__ volatile("dsb\n\tisb");
#endif
    memcpy(data_begin, data_load, (size_t)(data_end - data_begin));
    memset(bss_begin, 0, (size_t)(bss_end - bss_begin));
    _exit(main());
}

static void fail(void)
{
    put_text("fault\n");
    _exit(3);
}

/* The first entry is where the stack begins, the others are functions. */
typedef union vector {
    const void *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top}, {.handler = reset}, {.handler = fail}, {.handler = fail},
    {.handler = fail},    {.handler = fail},  {.handler = fail},
};

void *_sbrk(ptrdiff_t increment)
{
    (void)increment;
    put_text("the heap was asked for\n");
    _exit(4);
}

/* ---- The stack -------------------------------------------------------------------------------- */

/* Paints what is free below, and looks what of it has another colour afterwards. */
__attribute__((noinline)) void report_stack(void (*work)(void))
{
    enum {
        PAINT = 0xA5,
        OWN = 64 /* of the loop that paints */
    };
    unsigned char *here = __builtin_frame_address(0);
    for (volatile unsigned char *p = bss_end; p < here - OWN; p++)
        *p = PAINT;
    work();
    const unsigned char *lowest = bss_end;
    while (lowest < here && *lowest == PAINT)
        lowest++;
    report_count("stack", (uint32_t)(here - lowest));
}
