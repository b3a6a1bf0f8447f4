/* SPDX-License-Identifier: MIT
 *
 * Names of values: two uthash tables, by name and by node. Values without a name cost nothing.
 */
#include "engine.h"

#include <string.h>

typedef struct entry entry;

/* Made with the first name. */
struct agi_names {
    entry *by_text;
    entry *by_node;
    uint32_t end; /* no named node at or beyond */
};

/* uthash takes its memory where the graph does, and says so when there is none. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) agi_resize(graph, NULL, 0, (size))
#define uthash_free(pointer, size) agi_release(graph, (pointer), (size))
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include <uthash.h>

struct entry {
    UT_hash_handle hh_text;
    UT_hash_handle hh_node;
    uint32_t node;
    bool lost;
    char text[];
};

#if defined(__GNUC__)
/* uthash's macros convert and shadow freely */
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif

static entry *find_text(const agi_names *names, const char *text)
{
    entry *found = NULL;
    if (names != NULL)
        HASH_FIND(hh_text, names->by_text, text, strlen(text), found);
    return found;
}

static entry *find_node(const agi_names *names, uint32_t node)
{
    entry *found = NULL;
    if (names != NULL && node < names->end)
        HASH_FIND(hh_node, names->by_node, &node, sizeof(node), found);
    return found;
}

static void release_entry(ag_graph *graph, entry *e)
{
    agi_release(graph, e, sizeof(entry) + strlen(e->text) + 1);
}

static void drop_entry(ag_graph *graph, entry *e)
{
    HASH_DELETE(hh_text, graph->names->by_text, e);
    HASH_DELETE(hh_node, graph->names->by_node, e);
    release_entry(graph, e);
}

/* Adds to both tables or to none. */
static bool add_entry(ag_graph *graph, entry *e)
{
    agi_names *names = graph->names;
    HASH_ADD_KEYPTR(hh_text, names->by_text, e->text, strlen(e->text), e);
    if (e->lost)
        return false;
    HASH_ADD(hh_node, names->by_node, node, sizeof(e->node), e);
    if (e->lost) {
        HASH_DELETE(hh_text, names->by_text, e);
        return false;
    }
    if (e->node >= names->end)
        names->end = e->node + 1;
    return true;
}

ag_status ag_name(ag_value x, const char *name)
{
    ag_graph *graph = x.graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    const ag_status status = agi_check_values(graph, "ag_name", 1, &x);
    if (status != AG_OK)
        return status;
    if (name == NULL || name[0] == '\0')
        return agi_refuse(graph, AG_INVALID_ARGUMENT, "ag_name", 1, &x, "the name is empty");
    const entry *owner = find_text(graph->names, name);
    if (owner != NULL && owner->node == x.index)
        return AG_OK;
    if (owner != NULL)
        return agi_fail(graph, AG_NAME_TAKEN, "ag_name: \"%.60s\" is already the name of #%lu",
                        name, (unsigned long)owner->node);
    if (graph->names == NULL) {
        graph->names = (agi_names *)agi_resize(graph, NULL, 0, sizeof(*graph->names));
        if (graph->names == NULL)
            return agi_fail_memory(graph, "ag_name");
        *graph->names = (agi_names){0};
    }
    const size_t length = strlen(name) + 1;
    entry *e = (entry *)agi_resize(graph, NULL, 0, sizeof(entry) + length);
    if (e == NULL)
        return agi_fail_memory(graph, "ag_name");
    e->node = x.index;
    e->lost = false;
    memcpy(e->text, name, length);
    entry *former = find_node(graph->names, x.index);
    if (!add_entry(graph, e)) {
        release_entry(graph, e);
        return agi_fail_memory(graph, "ag_name");
    }
    if (former != NULL)
        drop_entry(graph, former);
    return AG_OK;
}

ag_value ag_find(ag_graph *graph, const char *name)
{
    const entry *e = graph == NULL || name == NULL ? NULL : find_text(graph->names, name);
    if (e == NULL)
        return (ag_value){NULL, AGI_NO_INDEX, AGI_NO_INDEX};
    return agi_value(graph, e->node);
}

const char *ag_name_of(ag_value x)
{
    return x.graph == NULL || !agi_is_live(x.graph, x) ? NULL : agi_name_of(x.graph, x.index);
}

const char *agi_name_of(const ag_graph *graph, uint32_t index)
{
    const entry *e = find_node(graph->names, index);
    return e == NULL ? NULL : e->text;
}

void agi_drop_names(ag_graph *graph, uint32_t count)
{
    agi_names *names = graph->names;
    if (names == NULL)
        return;
    if (count < names->end && names->end - count < HASH_CNT(hh_node, names->by_node)) {
        for (uint32_t node = count; node < names->end; node++) {
            entry *e = find_node(names, node);
            if (e != NULL)
                drop_entry(graph, e);
        }
        names->end = count;
    } else if (count < names->end) {
        uint32_t end = 0;
        entry *e, *next;
        HASH_ITER(hh_node, names->by_node, e, next)
        {
            if (e->node >= count)
                drop_entry(graph, e);
            else if (e->node >= end)
                end = e->node + 1;
        }
        names->end = end;
    }
    if (count == 0) {
        agi_release(graph, names, sizeof(*names));
        graph->names = NULL;
    }
}
