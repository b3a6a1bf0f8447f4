/* SPDX-License-Identifier: MIT
 *
 * The head of a table of benchmarks: machine, compiler, flags of both sides.
 */
#define _DEFAULT_SOURCE /* getloadavg */
#include <wengert/program.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What Linux calls the processor; nothing elsewhere. */
static void print_processor(void)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            printf("processor      %s", colon + 2);
            break;
        }
    }
    if (file != NULL)
        (void)fclose(file);
}

static void print_instruction_sets(void)
{
    ag_isa best = AG_ISA_BASELINE;
    printf("kernels for   ");
    for (ag_isa isa = AG_ISA_BASELINE; isa <= AG_ISA_NEON; isa++) {
        if (ag_isa_available(isa)) {
            best = isa;
            printf(" %s", ag_isa_name(isa));
        }
    }
    printf("; %s by itself\n", ag_isa_name(best));
}

/* Other people's work on the same processors spoils the figures, those of several threads first. */
static void print_load(void)
{
    double load;
    if (getloadavg(&load, 1) == 1)
        printf("busy with      %.1f of them just now, before the benchmarks\n", load);
}

int main(void)
{
    struct utsname system;
    if (uname(&system) == 0)
        printf("system         %s %s %s\n", system.sysname, system.release, system.machine);
    print_processor();
    printf("processors     %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
    print_load();
    printf("compiler       %s\n", BENCH_COMPILER);
    printf("wengert        %s, ag_real is %s, %s\n", ag_version(),
           sizeof(ag_real) == sizeof(double) ? "double" : "float", BENCH_LIBRARY_FLAGS);
    printf("vector math    %s\n", ag_vector_math());
    print_instruction_sets();
    printf("peers by hand  %s\n", BENCH_PEER_FLAGS);
    return 0;
}
