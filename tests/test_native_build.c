/* SPDX-License-Identifier: MIT
 *
 * From text to a loaded object, with this build's compiler behind scripts that count how often they
 * are called, refuse or die; and the cache: what finds its entries, who may write to it, what becomes
 * of broken ones, and who builds at the same time.
 */
#define _DEFAULT_SOURCE /* mkdtemp, setenv */
#include "native_build.h"
#include "testing.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- A place to work in ---------------------------------------------------------------------- */

enum {
    PATH_SIZE = 256
};

typedef struct place {
    char root[32];
    char cache[64];
    char compiler[64]; /* a script that counts */
    char path[1024];   /* the environment's */
    ag_error_details error;
} place;

static void write_text(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* A compiler NAME: some shell, then this build's compiler. */
static void write_compiler(const place *p, const char *name, const char *shell)
{
    char path[PATH_SIZE], text[1024];
    const char *compiler = getenv("CC");
    (void)snprintf(path, sizeof(path), "%s/%s", p->root, name);
    (void)snprintf(text, sizeof(text), "#!/bin/sh\necho >>%s/count\n%s\nexec %s \"$@\"\n", p->root,
                   shell, compiler == NULL ? "cc" : compiler);
    write_text(path, text, 0700);
}

static int set_up(void **state)
{
    place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    (void)snprintf(p->root, sizeof(p->root), "/tmp/wengert-test-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    (void)snprintf(p->cache, sizeof(p->cache), "%s/cache", p->root);
    (void)snprintf(p->compiler, sizeof(p->compiler), "%s/compiler", p->root);
    (void)snprintf(p->path, sizeof(p->path), "%s", getenv("PATH"));
    write_compiler(p, "compiler", "");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    char command[PATH_SIZE];
    assert_int_equal(setenv("PATH", p->path, 1), 0);
    (void)snprintf(command, sizeof(command), "rm -rf %s", p->root);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

/* How often compilers were called since the last time. */
static long count_calls(const place *p)
{
    char path[PATH_SIZE];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/count", p->root);
    const long calls = stat(path, &info) == 0 ? (long)info.st_size : 0;
    (void)unlink(path);
    return calls;
}

static size_t count_files(const char *directory)
{
    DIR *list = opendir(directory);
    assert_non_null(list);
    size_t n = 0;
    while (readdir(list) != NULL)
        n++;
    assert_int_equal(closedir(list), 0);
    return n - 2;
}

/* The path of a file in the cache's only entry. */
static void find_in_entry(const place *p, const char *file, char path[PATH_SIZE])
{
    DIR *list = opendir(p->cache);
    assert_non_null(list);
    size_t n = 0;
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (*entry->d_name == '.')
            continue;
        n++;
        (void)snprintf(path, PATH_SIZE, "%s/%.64s/%s", p->cache, entry->d_name, file);
    }
    assert_int_equal(closedir(list), 0);
    assert_int_equal(n, 1);
}

static const char answer[] = "double answer(double x);\n"
                             "double answer(double x)\n{\n    return x + 42;\n}\n";

static ag_status build(place *p, const char *text, const ag_native_options *options,
                       agi_object **object)
{
    p->error = (ag_error_details){.status = AG_OK};
    const ag_status status = agi_object_build(text, strlen(text), options, object, &p->error);
    assert_int_equal(p->error.status, status);
    assert_true((*object != NULL) == (status == AG_OK));
    return status;
}

static double call_answer(const agi_object *object, double x)
{
    double (*function)(double x);
    void *address = agi_object_find(object, "answer");
    assert_non_null(address);
    memcpy(&function, &address, sizeof(function));
    return function(x);
}

static void check_answer(place *p, const ag_native_options *options)
{
    agi_object *object;
    const ag_status status = build(p, answer, options, &object);
    if (status != AG_OK)
        print_error("%s\n", p->error.message);
    assert_int_equal(status, AG_OK);
    assert_same(call_answer(object, 0.5), 42.5);
    assert_null(agi_object_find(object, "question"));
    agi_object_free(object);
}

static void check_refusal(place *p, const ag_native_options *options, ag_status expected,
                          const char *part)
{
    agi_object *object;
    assert_int_equal(build(p, answer, options, &object), expected);
    assert_contains(p->error.message, part);
    assert_int_equal(agi_object_build(answer, sizeof(answer) - 1, options, &object, NULL),
                     expected);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_cached(void **state)
{
    place *p = *state;
    ag_native_options options = {.compiler = p->compiler, .cache = p->cache};
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 1);
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 0);
    assert_int_equal(count_files(p->cache), 1);

    agi_object *object;
    static const char other[] = "int question(void);\nint question(void)\n{\n    return 1;\n}\n";
    assert_int_equal(build(p, other, &options, &object), AG_OK);
    assert_null(agi_object_find(object, "answer"));
    agi_object_free(object);
    assert_int_equal(count_calls(p), 1);

    options.flags = "-O1";
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 1);

    char command[PATH_SIZE];
    (void)snprintf(command, sizeof(command), "  %s -DSOMETHING ", p->compiler);
    options.compiler = command;
    check_answer(p, &options);
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 1);

    write_compiler(p, "compiler", "# another one of the same name");
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 1);
    assert_int_equal(count_files(p->cache), 5);

    struct stat info;
    assert_int_equal(stat(p->cache, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void test_what_the_environment_says(void **state)
{
    place *p = *state;
    const char *before = getenv("CC");
    char compiler[256];
    (void)snprintf(compiler, sizeof(compiler), "%s", before == NULL ? "" : before);
    assert_int_equal(setenv("CC", p->compiler, 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", p->cache, 1), 0);
    check_answer(p, NULL);
    check_answer(p, &(ag_native_options){.compiler = NULL});
    assert_int_equal(count_calls(p), 1);
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/wengert", p->cache);
    assert_int_equal(count_files(path), 1);

    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
    assert_int_equal(setenv("HOME", p->root, 1), 0);
    check_answer(p, NULL);
    (void)snprintf(path, sizeof(path), "%s/.cache/wengert", p->root);
    assert_int_equal(count_files(path), 1);
    assert_int_equal(unsetenv("HOME"), 0);
    check_refusal(p, NULL, AG_IO, "neither XDG_CACHE_HOME nor HOME");
    if (before == NULL)
        assert_int_equal(unsetenv("CC"), 0);
    else
        assert_int_equal(setenv("CC", compiler, 1), 0);
}

static void test_nothing_kept(void **state)
{
    place *p = *state;
    char temporary[PATH_SIZE];
    (void)snprintf(temporary, sizeof(temporary), "%s/temporary", p->root);
    assert_int_equal(mkdir(temporary, 0700), 0);
    assert_int_equal(setenv("TMPDIR", temporary, 1), 0);
    const ag_native_options options = {.compiler = p->compiler, .cache = ""};
    check_answer(p, &options);
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 2);
    assert_int_equal(count_files(temporary), 0);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

/* Whatever goes wrong with a compiler, the cache stays empty. */
static void test_compilers_that_fail(void **state)
{
    place *p = *state;
    ag_native_options options = {.compiler = "no-such-compiler -O2", .cache = p->cache};
    check_refusal(p, &options, AG_UNAVAILABLE, "no-such-compiler");
    options.compiler = " ";
    check_refusal(p, &options, AG_UNAVAILABLE, "no compiler");
    options.compiler = p->root; /* a directory */
    check_refusal(p, &options, AG_UNAVAILABLE, p->root);

    options.compiler = p->compiler;
    agi_object *object;
    assert_int_equal(build(p, "int f(void)\n{\n    return misspelt;\n}\n", &options, &object),
                     AG_UNAVAILABLE);
    assert_contains(p->error.message, "misspelt");
    assert_contains(p->error.message, "text.c:3");
    assert_null(strstr(p->error.message, p->cache));
    options.flags = "--no-such-flag";
    check_refusal(p, &options, AG_UNAVAILABLE, "no-such-flag");
    options.flags = NULL;

    write_compiler(p, "compiler", "kill -9 $$");
    check_refusal(p, &options, AG_UNAVAILABLE, "signal 9");
    write_compiler(p, "compiler", "exit 3");
    check_refusal(p, &options, AG_UNAVAILABLE, "status 3");
    write_compiler(p, "compiler", "exit 0");
    check_refusal(p, &options, AG_UNAVAILABLE, "made no object");
    write_compiler(p, "compiler", "while [ \"$1\" != -o ]; do shift; done; echo >\"$2\"; exit 0");
    check_refusal(p, &options, AG_UNAVAILABLE, "can't be loaded");
    assert_int_equal(count_files(p->cache), 0);

    assert_int_equal(setenv("PATH", "", 1), 0);
    options.compiler = "cc";
    check_refusal(p, &options, AG_UNAVAILABLE, "no program cc");
}

/* Flags of our own that a compiler refuses are left out. */
static void test_flags_refused(void **state)
{
    place *p = *state;
    write_compiler(p, "compiler",
                   "case \" $* \" in *' -march=native '*|*' -fopenmp-simd '*) exit 1;; esac");
    const ag_native_options options = {.compiler = p->compiler, .cache = p->cache};
    check_answer(p, &options);
    check_answer(p, &options);
    assert_true(count_calls(p) > 2);
    assert_int_equal(count_files(p->cache), 1);
}

static void test_caches_refused(void **state)
{
    place *p = *state;
    ag_native_options options = {.compiler = p->compiler, .cache = p->cache};
    assert_int_equal(mkdir(p->cache, 0700), 0);
    assert_int_equal(chmod(p->cache, 0777), 0);
    check_refusal(p, &options, AG_IO, "can be written by others");
    assert_int_equal(chmod(p->cache, 0720), 0);
    check_refusal(p, &options, AG_IO, p->cache);
    char link[PATH_SIZE];
    (void)snprintf(link, sizeof(link), "%s/link", p->root);
    assert_int_equal(symlink(p->cache, link), 0);
    options.cache = link;
    check_refusal(p, &options, AG_IO, "can be written by others");
    assert_int_equal(chmod(p->cache, 0700), 0);
    check_answer(p, &options); /* a link of our own to a directory of our own */
    assert_int_equal(count_calls(p), 1);

    if (geteuid() == 0) {
        assert_int_equal(lchown(link, 1, 1), 0);
        check_refusal(p, &options, AG_IO, "belongs to somebody else");
        options.cache = p->cache;
        assert_int_equal(chown(p->cache, 1, 1), 0);
        check_refusal(p, &options, AG_IO, "belongs to somebody else");
    } else {
        options.cache = p->cache;
        assert_int_equal(chmod(p->cache, 0500), 0);
        check_answer(p, &options); /* what is there can be had */
        options.flags = "-O1";
        check_refusal(p, &options, AG_IO, "can't be written");
        assert_int_equal(chmod(p->cache, 0700), 0);
    }
    options.cache = p->compiler;
    check_refusal(p, &options, AG_IO, "is no directory");
    options.cache = "/proc/wengert/cache";
    check_refusal(p, &options, AG_IO, "can't be made");
    char longest[5000];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    options.cache = longest;
    check_refusal(p, &options, AG_INVALID_ARGUMENT, "too long");
    options.compiler = longest;
    check_refusal(p, &options, AG_INVALID_ARGUMENT, "too long");
    assert_int_equal(count_calls(p), 0);
}

static void test_no_room(void **state)
{
    place *p = *state;
    assert_int_equal(mkdir(p->cache, 0700), 0);
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        const ag_native_options options = {.compiler = p->compiler, .cache = p->cache};
        const struct rlimit none = {10, 10};
        agi_object *object;
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &none);
        const bool good = build(p, answer, &options, &object) == AG_IO &&
                          strstr(p->error.message, "can't be written") != NULL;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(count_files(p->cache), 0);
}

/* Another file with the same text under the same name: musl never unloads an object, and one that is
 * broken in place breaks what is loaded of it. */
static void replace_by_copy(const char *path)
{
    char command[4 * PATH_SIZE + 32];
    (void)snprintf(command, sizeof(command), "cp %s %s.new && mv %s.new %s", path, path, path,
                   path);
    assert_int_equal(system(command), 0);
}

/* What is in the cache is used as it was made, or not at all. */
static void test_entries_broken(void **state)
{
    place *p = *state;
    const ag_native_options options = {.compiler = p->compiler, .cache = p->cache};
    char path[PATH_SIZE];
    struct stat info;
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 1);

    find_in_entry(p, "object.so", path);
    assert_int_equal(stat(path, &info), 0);
    replace_by_copy(path);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 1);
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 0);

    replace_by_copy(path);
    FILE *file = fopen(path, "r+"); /* as long as it was */
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(info.st_size / 2), SEEK_SET), 0);
    assert_int_equal(fputs("something else", file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 1);

    static const char *const files[] = {"text.c", "recipe", "object.so"};
    for (size_t i = 0; i < 3; i++) {
        find_in_entry(p, files[i], path);
        replace_by_copy(path);
        write_text(path, "double answer(double x);\n", 0600);
        check_answer(p, &options);
        assert_int_equal(count_calls(p), 1);
        find_in_entry(p, files[i], path);
        assert_int_equal(unlink(path), 0);
        check_answer(p, &options);
        assert_int_equal(count_calls(p), 1);
    }
    check_answer(p, &options);
    assert_int_equal(count_calls(p), 0);
    assert_int_equal(count_files(p->cache), 1);
}

/* ---- At the same time ------------------------------------------------------------------------ */

enum {
    CROWD = 4
};

static void *build_in_thread(void *context)
{
    const place *p = context;
    const ag_native_options options = {.compiler = p->compiler, .cache = p->cache};
    agi_object *object;
    for (int i = 0; i < 3; i++) {
        if (agi_object_build(answer, sizeof(answer) - 1, &options, &object, NULL) != AG_OK)
            return "it failed";
        if (agi_object_find(object, "answer") == NULL)
            return "there is no answer";
        agi_object_free(object);
    }
    return NULL;
}

static void test_threads(void **state)
{
    place *p = *state;
    pthread_t threads[CROWD];
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, build_in_thread, p), 0);
    for (int i = 0; i < CROWD; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_in_range(count_calls(p), 1, CROWD);
    assert_int_equal(count_files(p->cache), 1);
    check_answer(p, &(ag_native_options){.compiler = p->compiler, .cache = p->cache});
}

static void test_processes(void **state)
{
    place *p = *state;
    pid_t children[CROWD];
    (void)fflush(NULL);
    for (int i = 0; i < CROWD; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(build_in_thread(p) == NULL ? 0 : 1);
    }
    for (int i = 0; i < CROWD; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_in_range(count_calls(p), 1, CROWD);
    assert_int_equal(count_files(p->cache), 1);
    check_answer(p, &(ag_native_options){.compiler = p->compiler, .cache = p->cache});
}

/* Programs that ignore SIGCHLD never learn how a child ended, and the compiler must not inherit that,
 * nor a blocked signal. */
static void test_signals_ignored(void **state)
{
    place *p = *state;
    const ag_native_options options = {.compiler = p->compiler, .cache = p->cache};
    agi_object *object;
    assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    check_answer(p, &options);
    assert_int_equal(build(p, "wrong", &options, &object), AG_UNAVAILABLE);
    assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cached),          TEST(test_what_the_environment_says),
        TEST(test_nothing_kept),    TEST(test_compilers_that_fail),
        TEST(test_flags_refused),   TEST(test_caches_refused),
        TEST(test_no_room),         TEST(test_entries_broken),
        TEST(test_threads),         TEST(test_processes),
        TEST(test_signals_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
