/* SPDX-License-Identifier: MIT
 *
 * Calls the generated function of every gate with the samples of the table; emit_gates.c wrote both.
 */
#include "gates.h"
#include "report.h"

#define GATE(function, outputs, ...)                                                               \
    {                                                                                              \
        static const float operands[] = {__VA_ARGS__};                                             \
        float results[outputs];                                                                    \
        function(operands, results);                                                               \
        report_all(#function, outputs, results);                                                   \
    }
#define COMPARISON(function, ...)                                                                  \
    {                                                                                              \
        static const float operands[] = {__VA_ARGS__};                                             \
        float result = -1;                                                                         \
        report_count(#function, (uint32_t)function(operands, &result));                            \
        report(#function, result);                                                                 \
    }

int main(void)
{
#include "cases.h"
    return 0;
}
