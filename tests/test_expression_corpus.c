/* SPDX-License-Identifier: MIT
 *
 * Texts that script/fuzz has found, or began with, once more: without libFuzzer.
 */
#include "fuzz_expression.c"

#include <dirent.h>

static char last_file[400]; /* the one at hand */

static void test_corpus(void **state)
{
    (void)state;
    static const char folder[] = "tests/corpus/expression";
    size_t count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[400];
        uint8_t text[MOST_TEXT];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        const size_t size = fread(text, 1, sizeof(text), file);
        assert_true(ferror(file) == 0 && feof(file) != 0);
        (void)fclose(file);
        (void)snprintf(last_file, sizeof(last_file), "%s", path);
        assert_int_equal(LLVMFuzzerTestOneInput(text, size), 0);
        count++;
    }
    last_file[0] = '\0';
    (void)closedir(directory);
    assert_true(count > 50);
}

/* A failure says in which file. */
static int tell_where(void **state)
{
    (void)state;
    if (last_file[0] != '\0')
        print_message("in %s\n", last_file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_corpus, tell_where)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
