/* SPDX-License-Identifier: MIT
 *
 * Status codes in words, and the error that a graph keeps.
 */
#include "engine.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

const char *ag_version(void)
{
    return AG_VERSION;
}

const char *ag_status_name(ag_status status)
{
    switch (status) {
#define AG_X(name, code, meaning)                                                                  \
    case AG_##name:                                                                                \
        return "AG_" #name;
        AG_STATUS_LIST(AG_X)
#undef AG_X
    }
    return "AG_UNKNOWN";
}

const char *ag_strerror(ag_status status)
{
    switch (status) {
#define AG_X(name, code, meaning)                                                                  \
    case AG_##name:                                                                                \
        return meaning;
        AG_STATUS_LIST(AG_X)
#undef AG_X
    }
    return "not a status of this library";
}

ag_status ag_error(const ag_graph *graph)
{
    return graph == NULL ? AG_INVALID_ARGUMENT : graph->status;
}

const char *ag_error_message(const ag_graph *graph)
{
    return graph == NULL ? "there is no graph" : graph->message;
}

void ag_clear_error(ag_graph *graph)
{
    if (graph == NULL)
        return;
    graph->status = AG_OK;
    graph->message[0] = '\0';
    agi_update_limit(graph);
}

ag_status ag_set_error(ag_graph *graph, ag_status status, const char *message)
{
    const bool is_error =
        status < AG_OK && status != AG_BRANCH && strcmp(ag_status_name(status), "AG_UNKNOWN") != 0;
    if (graph == NULL || message == NULL || !is_error)
        return AG_INVALID_ARGUMENT;
    char copy[sizeof(graph->message)]; /* the message may be the graph's own, a branch's */
    (void)snprintf(copy, sizeof(copy), "%s", message);
    return agi_fail(graph, status, "%s", copy);
}

ag_status agi_fail(ag_graph *graph, ag_status status, const char *format, ...)
{
    if (graph->status == AG_OK) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(graph->message, sizeof(graph->message), format, arguments);
        va_end(arguments);
        if (status != AG_BRANCH)
            graph->status = status;
        agi_update_limit(graph);
    }
    return status;
}

ag_status agi_fail_memory(ag_graph *graph, const char *what)
{
    return agi_fail(graph, AG_OUT_OF_MEMORY, "%s: out of memory (the graph holds %lu bytes)", what,
                    (unsigned long)graph->memory.bytes);
}

void agi_set_details(ag_error_details *details, ag_status status, const char *format, ...)
{
    if (details == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    details->status = status;
    (void)vsnprintf(details->message, sizeof(details->message), format, arguments);
    va_end(arguments);
}

void agi_update_limit(ag_graph *graph)
{
    uint32_t room = graph->gates_capacity;
    if (room > graph->operands_capacity)
        room = graph->operands_capacity;
    if (room > graph->data_capacity)
        room = graph->data_capacity;
    const bool closed = graph->status != AG_OK || graph->paused > 0 || graph->busy;
    graph->limit = closed ? 0 : room;
}

double agi_readable(ag_real number)
{
    return isnan(number) ? (double)NAN : (double)number;
}

const char *agi_describe(const ag_graph *graph, ag_value x, char *text, size_t size)
{
    if (x.graph == NULL || x.index == AGI_NO_INDEX) {
        (void)snprintf(text, size, "null");
    } else if (x.graph != graph) {
        (void)snprintf(text, size, "#%lu of another graph", (unsigned long)x.index);
    } else if (!agi_is_live(graph, x)) {
        (void)snprintf(text, size, "stale #%lu", (unsigned long)x.index);
    } else {
        const char *name = agi_name_of(graph, x.index);
        const double data = agi_readable(graph->data[x.index]);
        if (name != NULL)
            (void)snprintf(text, size, "%.40s = %.6g", name, data);
        else
            (void)snprintf(text, size, "#%lu = %.6g", (unsigned long)x.index, data);
    }
    return text;
}

ag_status agi_refuse(ag_graph *graph, ag_status status, const char *gate, size_t n,
                     const ag_value *operands, const char *reason)
{
    enum {
        SHOWN = 3
    };
    if (graph->status != AG_OK)
        return status;
    char list[3 * 64 + 8] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        char text[64];
        agi_describe(graph, operands[i], text, sizeof(text));
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", text);
    }
    return agi_fail(graph, status, "%.40s(%.150s%s): %s", gate, list, n > SHOWN ? ", ..." : "",
                    reason);
}

ag_status agi_check_values(ag_graph *graph, const char *what, size_t n, const ag_value *values)
{
    if (graph->status != AG_OK)
        return graph->status;
    if (graph->busy)
        return agi_refuse(graph, AG_BUSY, what, n, values,
                          "a custom gate's callback can't use the graph that calls it");
    for (size_t i = 0; i < n; i++) {
        const ag_value x = values[i];
        if (agi_is_live(graph, x))
            continue;
        char reason[64];
        ag_status status = AG_STALE_VALUE;
        const char *wrong = "was dropped by a rewind";
        if (x.graph == NULL || x.index == AGI_NO_INDEX) {
            status = AG_NULL_VALUE;
            wrong = "is a null value";
        } else if (x.graph != graph) {
            status = AG_WRONG_GRAPH;
            wrong = "belongs to another graph";
        }
        (void)snprintf(reason, sizeof(reason), "operand %lu %s", (unsigned long)i + 1, wrong);
        return agi_refuse(graph, status, what, n, values, reason);
    }
    return AG_OK;
}
