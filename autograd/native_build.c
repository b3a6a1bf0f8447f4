/* SPDX-License-Identifier: MIT
 *
 * Compiles C text and loads it. Everything happens in a directory of its own:
 *
 *     text.c       what is compiled
 *     said         by the compiler
 *     object.so    what comes out
 *     recipe       what it was made with, and the size and hash of object.so
 *
 * and that directory, once all is well, gets the name under which the cache will find it: so an entry
 * is there as a whole or not at all, whoever else builds the same. Its name is a hash of recipe and
 * text; since both are compared when it is found, it need not be a strong one.
 */
#define _DEFAULT_SOURCE /* POSIX, mkdtemp, realpath */
#include "native_build.h"
#include "engine.h"

#if !defined(AGI_NATIVE)

ag_status agi_object_build(const char *text, size_t size, const ag_native_options *options,
                           agi_object **object, ag_error_details *error)
{
    (void)text;
    (void)size;
    (void)options;
    *object = NULL;
    agi_set_details(error, AG_UNAVAILABLE, "this build of the library can't load code");
    return AG_UNAVAILABLE;
}

void *agi_object_find(const agi_object *object, const char *symbol)
{
    (void)object;
    (void)symbol;
    return NULL;
}

void agi_object_free(agi_object *object)
{
    (void)object;
}

#else

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum {
    PATH_SIZE = 1024,
    COMMAND_SIZE = 2048,
    RECIPE_SIZE = 16384,
    MOST_WORDS = 200,
    SAID_SIZE = 1000 /* of what a compiler says, so much is read */
};

static const char always[] = "-std=gnu11 -fPIC -shared";
/* Compilers that refuse one of these do without it. */
static const char by_default[] = "-O3 -march=native -ffp-contract=fast -fno-math-errno "
                                 "-fno-trapping-math -fopenmp-simd";

typedef struct words {
    char text[COMMAND_SIZE]; /* each word with its end */
    char *list[MOST_WORDS];
    size_t count;
} words;

typedef struct build {
    const char *text;
    size_t size;
    const char *flags; /* the caller's; NULL: by_default */
    words command;
    char program[PATH_SIZE]; /* the command's first word, as a path */
    char recipe[RECIPE_SIZE];
    size_t recipe_size;
    char cache[PATH_SIZE]; /* "": nothing is kept */
    char entry[PATH_SIZE]; /* in the cache */
    char work[PATH_SIZE];  /* where it is made; "": nowhere yet */
    void *loaded;
    char message[sizeof(((ag_error_details *)0)->message)]; /* of the last error */
} build;

static ag_status fail(build *b, ag_status status, const char *format, ...) AGI_PRINTF(3, 4);

static ag_status fail(build *b, ag_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(b->message, sizeof(b->message), format, arguments);
    va_end(arguments);
    return status;
}

/* ---- Small things ---------------------------------------------------------------------------- */

/* Programs with more rights than whoever started them don't take that one's word for anything. */
static const char *get_variable(const char *name)
{
    const bool trusted = getuid() == geteuid() && getgid() == getegid();
    const char *value = trusted ? getenv(name) : NULL;
    return value == NULL || *value == '\0' ? NULL : value;
}

static bool join_path(char path[PATH_SIZE], const char *directory, const char *name)
{
    const int n = snprintf(path, PATH_SIZE, "%s/%s", directory, name);
    return n > 0 && n < PATH_SIZE;
}

/* Splits at spaces; false where there are too many words or characters. */
static bool add_words(words *w, size_t used, const char *text)
{
    if (strlen(text) >= sizeof(w->text) - used)
        return false;
    char *at = strcpy(w->text + used, text);
    for (;;) {
        at += strspn(at, " \t\n");
        if (*at == '\0')
            return true;
        if (w->count == MOST_WORDS)
            return false;
        w->list[w->count++] = at;
        at += strcspn(at, " \t\n");
        if (*at != '\0')
            *at++ = '\0';
    }
}

/* FNV-1a: G. Fowler, L. C. Noll, K.-P. Vo, D. Eastlake, The FNV Non-Cryptographic Hash Algorithm */
#define HASH_START UINT64_C(14695981039346656037)

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *byte = (const unsigned char *)bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    return hash;
}

/* ---- What it is made with -------------------------------------------------------------------- */

/* The path of a program, as a shell would find it. */
static bool find_program(char path[PATH_SIZE], const char *name)
{
    if (strchr(name, '/') != NULL)
        return snprintf(path, PATH_SIZE, "%s", name) < PATH_SIZE && access(path, X_OK) == 0;
    const char *directories = getenv("PATH") == NULL ? "/usr/bin:/bin" : get_variable("PATH");
    while (directories != NULL && *directories != '\0') {
        const size_t n = strcspn(directories, ":");
        const int whole = snprintf(path, PATH_SIZE, "%.*s/%s", (int)n, directories, name);
        struct stat info;
        if (n > 0 && whole < PATH_SIZE && stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
            access(path, X_OK) == 0)
            return true;
        directories += n + (directories[n] == ':');
    }
    return false;
}

/* Model and features: what -march=native goes by. */
static uint64_t identify_processor(void)
{
    static const char *const telling[] = {"vendor_id", "cpu family", "model",   "stepping",
                                          "flags",     "Features",   "CPU ",    "isa",
                                          "cpu\t",     "machine",    "revision"};
    struct utsname system;
    uint64_t hash = HASH_START;
    if (uname(&system) >= 0) {
        hash = hash_bytes(hash, system.sysname, strlen(system.sysname));
        hash = hash_bytes(hash, system.machine, strlen(system.machine));
    }
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL)
        return hash;
    char line[8192];
    while (fgets(line, sizeof(line), file) != NULL && *line != '\n')
        for (size_t i = 0; i < sizeof(telling) / sizeof(*telling); i++)
            if (strncmp(line, telling[i], strlen(telling[i])) == 0)
                hash = hash_bytes(hash, line, strlen(line));
    (void)fclose(file);
    return hash;
}

static bool add_to_recipe(build *b, const char *format, ...) AGI_PRINTF(2, 3);

static bool add_to_recipe(build *b, const char *format, ...)
{
    const size_t room = sizeof(b->recipe) - b->recipe_size;
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(b->recipe + b->recipe_size, room, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= room)
        return false;
    b->recipe_size += (size_t)n;
    return true;
}

/* A compiler is known by its file, or its files where one starts another (ccache gcc): asking it for
 * its version would take longer than loading what is there. */
static ag_status write_recipe(build *b, const char *command)
{
    if (!add_words(&b->command, 0, command) || b->command.count > MOST_WORDS / 2)
        return fail(b, AG_INVALID_ARGUMENT, "the compiler's command is too long");
    if (b->command.count == 0)
        return fail(b, AG_UNAVAILABLE, "no compiler: its command is empty");
    if (!find_program(b->program, b->command.list[0]))
        return fail(b, AG_UNAVAILABLE, "no compiler: there is no program %s", b->command.list[0]);
    bool fits = add_to_recipe(b, "wengert %s\ncommand %s\n", AG_VERSION, command);
    for (size_t i = 0; i < b->command.count; i++) {
        char path[PATH_SIZE];
        struct stat info;
        if (*b->command.list[i] == '-' || !find_program(path, b->command.list[i]) ||
            stat(path, &info) != 0)
            continue;
        char *real = realpath(path, NULL);
        fits = fits && add_to_recipe(b, "program %s %lld %lld %lld\n", real == NULL ? path : real,
                                     (long long)info.st_ino, (long long)info.st_size,
                                     (long long)info.st_mtime);
        free(real);
    }
    fits = fits && add_to_recipe(b, "flags %s %s\nprocessor %016llx\n", always,
                                 b->flags == NULL ? by_default : b->flags,
                                 (unsigned long long)identify_processor());
    return fits ? AG_OK : fail(b, AG_INVALID_ARGUMENT, "the compiler's command is too long");
}

/* ---- Directories ----------------------------------------------------------------------------- */

/* Removes a directory and its files. */
static void remove_directory(const char *directory)
{
    DIR *list = opendir(directory);
    if (list == NULL)
        return;
    for (const struct dirent *file = readdir(list); file != NULL; file = readdir(list)) {
        char path[PATH_SIZE + 300];
        if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", directory, file->d_name);
        (void)unlink(path);
    }
    (void)closedir(list);
    (void)rmdir(directory);
}

static bool make_directories(const char *path)
{
    char part[PATH_SIZE];
    const size_t n = strlen(path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST && (i == n || errno != EROFS))
            return false;
        part[i] = path[i];
    }
    return true;
}

/* Whoever can write to the cache decides what we run; so can the owner of a link to it. */
static ag_status check_cache(build *b)
{
    struct stat info, itself;
    if (stat(b->cache, &info) != 0 && !make_directories(b->cache))
        return fail(b, AG_IO, "the cache %.120s can't be made: %s", b->cache, strerror(errno));
    if (stat(b->cache, &info) != 0 || lstat(b->cache, &itself) != 0)
        return fail(b, AG_IO, "the cache %.120s can't be used: %s", b->cache, strerror(errno));
    const char *wrong = NULL;
    if (!S_ISDIR(info.st_mode))
        wrong = "is no directory";
    else if (info.st_uid != geteuid() || itself.st_uid != geteuid())
        wrong = "belongs to somebody else";
    else if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        wrong = "can be written by others";
    return wrong == NULL ? AG_OK : fail(b, AG_IO, "the cache %.150s %s", b->cache, wrong);
}

static ag_status find_cache(build *b, const char *asked)
{
    const char *own = get_variable("XDG_CACHE_HOME"), *home = get_variable("HOME");
    bool fits = false;
    if (asked != NULL)
        fits = snprintf(b->cache, sizeof(b->cache), "%s", asked) < (int)sizeof(b->cache);
    else if (own != NULL && *own == '/') /* as the XDG base directory specification has it */
        fits = join_path(b->cache, own, "wengert");
    else if (home != NULL)
        fits = join_path(b->cache, home, ".cache/wengert");
    else
        return fail(b, AG_IO, "no cache: neither XDG_CACHE_HOME nor HOME is set");
    /* room for whatever is in it */
    if (!fits || strlen(b->cache) > PATH_SIZE - 64)
        return fail(b, AG_INVALID_ARGUMENT, "the cache's path is too long");
    if (*b->cache == '\0')
        return AG_OK;
    const uint64_t hash =
        hash_bytes(hash_bytes(HASH_START, b->recipe, b->recipe_size), b->text, b->size);
    (void)snprintf(b->entry, sizeof(b->entry), "%.*s/%016llx", PATH_SIZE - 64, b->cache,
                   (unsigned long long)hash);
    return check_cache(b);
}

static ag_status make_work(build *b)
{
    const char *temporary = get_variable("TMPDIR");
    const char *where = *b->cache != '\0' ? b->cache : temporary != NULL ? temporary : "/tmp";
    char path[PATH_SIZE];
    if (strlen(where) > PATH_SIZE - 64 || !join_path(path, where, "wengert-XXXXXX"))
        return fail(b, AG_INVALID_ARGUMENT, "the path of the directory to compile in is too long");
    if (mkdtemp(path) == NULL)
        return fail(b, AG_IO, "%.150s can't be written: %s", where, strerror(errno));
    memcpy(b->work, path, sizeof(path));
    return AG_OK;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static bool write_file(const char *directory, const char *name, const char *bytes, size_t n)
{
    char path[PATH_SIZE];
    FILE *file = join_path(path, directory, name) ? fopen(path, "wbe") : NULL;
    if (file == NULL)
        return false;
    const bool written = fwrite(bytes, 1, n, file) == n;
    return fclose(file) == 0 && written;
}

/* At most so many bytes of a file, and a '\0'; how many they are: 0 where it can't be read. */
static size_t read_file(const char *directory, const char *name, char *bytes, size_t most)
{
    char path[PATH_SIZE];
    FILE *file = join_path(path, directory, name) ? fopen(path, "rbe") : NULL;
    const size_t n = file == NULL ? 0 : fread(bytes, 1, most, file);
    bytes[n] = '\0';
    if (file != NULL)
        (void)fclose(file);
    return n;
}

/* Size and hash of a file; whether it is the n bytes, if these are not NULL. */
static bool scan_file(const char *directory, const char *name, const char *bytes, uint64_t *size,
                      uint64_t *hash)
{
    char path[PATH_SIZE], some[8192];
    FILE *file = join_path(path, directory, name) ? fopen(path, "rbe") : NULL;
    if (file == NULL)
        return false;
    const uint64_t most = *size;
    bool same = true;
    *size = 0;
    *hash = HASH_START;
    for (size_t n = fread(some, 1, sizeof(some), file); n > 0 && same;
         n = fread(some, 1, sizeof(some), file)) {
        same = bytes == NULL || (n <= most - *size && memcmp(bytes + *size, some, n) == 0);
        *hash = hash_bytes(*hash, some, n);
        *size += n;
    }
    same = same && ferror(file) == 0 && (bytes == NULL || *size == most);
    (void)fclose(file);
    return same;
}

/* The last line of a recipe. */
static void describe_object(char line[64], uint64_t size, uint64_t hash)
{
    (void)snprintf(line, 64, "object %llu %016llx\n", (unsigned long long)size,
                   (unsigned long long)hash);
}

/* Whether the entry is there, made of this text with this recipe, and as it was when made. */
static bool has_entry(const build *b)
{
    char recipe[RECIPE_SIZE + 64], line[64];
    uint64_t size = b->size, hash;
    const size_t n = read_file(b->entry, "recipe", recipe, sizeof(recipe) - 1);
    if (n <= b->recipe_size || memcmp(recipe, b->recipe, b->recipe_size) != 0 ||
        !scan_file(b->entry, "text.c", b->text, &size, &hash) ||
        !scan_file(b->entry, "object.so", NULL, &size, &hash))
        return false;
    describe_object(line, size, hash);
    return strcmp(recipe + b->recipe_size, line) == 0;
}

/* ---- The compiler ---------------------------------------------------------------------------- */

/* The beginning of what it said, without the paths of the directory it worked in. */
static void read_said(const build *b, char said[SAID_SIZE])
{
    (void)read_file(b->work, "said", said, SAID_SIZE - 1);
    const size_t n = strlen(b->work) + 1;
    for (char *at = strstr(said, b->work); at != NULL; at = strstr(at, b->work))
        memmove(at, at + n, strlen(at + n) + 1);
    for (size_t end = strlen(said); end > 0 && said[end - 1] == '\n';)
        said[--end] = '\0';
}

/* What became of a child: AG_OK, or the error. */
static ag_status wait_for(build *b, pid_t child)
{
    int status = 0;
    pid_t ended;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    const char *name = b->command.list[0];
    if (ended < 0) /* SIGCHLD is ignored, so nobody knows; there is an object, or there is none */
        return AG_OK;
    if (WIFSIGNALED(status))
        return fail(b, AG_UNAVAILABLE, "%.80s was ended by signal %d", name, WTERMSIG(status));
    if (WEXITSTATUS(status) == 0)
        return AG_OK;
    char said[SAID_SIZE];
    read_said(b, said);
    return fail(b, AG_UNAVAILABLE, "%.80s failed with status %d: %s", name, WEXITSTATUS(status),
                *said == '\0' ? "it said nothing" : said);
}

static ag_status start_compiler(build *b, char **arguments, pid_t *child)
{
    char said[PATH_SIZE];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    if (!join_path(said, b->work, "said") || posix_spawn_file_actions_init(&files) != 0)
        return fail(b, AG_OUT_OF_MEMORY, "starting %.80s: out of memory", arguments[0]);
    int failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        (void)sigemptyset(&none);
        (void)sigemptyset(&usual);
        (void)sigaddset(&usual, SIGCHLD);
        (void)sigaddset(&usual, SIGPIPE);
        failed =
            posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        failed |= posix_spawnattr_setsigmask(&attributes, &none);
        failed |= posix_spawnattr_setsigdefault(&attributes, &usual);
        failed |= posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        failed |=
            posix_spawn_file_actions_addopen(&files, 1, said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        failed |= posix_spawn_file_actions_adddup2(&files, 1, 2);
        if (failed == 0)
            failed = posix_spawn(child, b->program, &files, &attributes, arguments, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    if (failed == 0)
        return AG_OK;
    return fail(b, AG_UNAVAILABLE, "%.100s can't be started: %s", b->program, strerror(failed));
}

/* Compiles text.c to object.so. */
static ag_status run_compiler(build *b, char **flags, size_t n)
{
    char from[PATH_SIZE], to[PATH_SIZE], output[] = "-o", libm[] = "-lm";
    char *arguments[MOST_WORDS + 5];
    size_t count = b->command.count;
    memcpy(arguments, b->command.list, count * sizeof(*arguments));
    memcpy(arguments + count, flags, n * sizeof(*arguments));
    count += n;
    if (!join_path(from, b->work, "text.c") || !join_path(to, b->work, "object.so"))
        return fail(b, AG_INVALID_ARGUMENT, "the path of the directory to compile in is too long");
    arguments[count++] = output;
    arguments[count++] = to;
    arguments[count++] = from;
    arguments[count++] = libm;
    arguments[count] = NULL;
    (void)unlink(to);
    pid_t child;
    ag_status status = start_compiler(b, arguments, &child);
    if (status == AG_OK)
        status = wait_for(b, child);
    if (status == AG_OK && access(to, R_OK) != 0)
        return fail(b, AG_UNAVAILABLE, "%.80s made no object", arguments[0]);
    return status;
}

/* Leaves the flags that the compiler does not refuse, each tried on a line of C. */
static void drop_refused(build *b, char **flags, size_t *n)
{
    static const char line[] = "int agi_nothing;\n";
    const size_t first = 3; /* behind those that are always there */
    if (!write_file(b->work, "text.c", line, sizeof(line) - 1) ||
        run_compiler(b, flags, first) != AG_OK)
        return; /* it is not the flags */
    size_t kept = first;
    for (size_t i = first; i < *n; i++) {
        char *tried[] = {flags[0], flags[1], flags[2], flags[i]};
        if (run_compiler(b, tried, first + 1) == AG_OK)
            flags[kept++] = flags[i];
    }
    *n = kept;
}

static ag_status compile_text(build *b, char **flags, size_t n)
{
    if (!write_file(b->work, "text.c", b->text, b->size))
        return fail(b, AG_IO, "%.150s can't be written: %s", b->work, strerror(errno));
    return run_compiler(b, flags, n);
}

static ag_status compile(build *b)
{
    words flags;
    flags.count = 0;
    if (!add_words(&flags, 0, always) ||
        !add_words(&flags, sizeof(always), b->flags == NULL ? by_default : b->flags) ||
        flags.count > MOST_WORDS / 2)
        return fail(b, AG_INVALID_ARGUMENT, "the compiler's flags are too long");
    size_t n = flags.count;
    ag_status status = compile_text(b, flags.list, n);
    if (status != AG_UNAVAILABLE || b->flags != NULL)
        return status;
    char message[sizeof(b->message)];
    memcpy(message, b->message, sizeof(message));
    drop_refused(b, flags.list, &n);
    if (n < flags.count)
        return compile_text(b, flags.list, n);
    return fail(b, status, "%s", message);
}

/* ---- Loaded and kept ------------------------------------------------------------------------- */

static ag_status load(build *b, const char *directory)
{
    char path[PATH_SIZE];
    b->loaded =
        join_path(path, directory, "object.so") ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (b->loaded != NULL)
        return AG_OK;
    const char *why = dlerror();
    return fail(b, AG_UNAVAILABLE, "what was compiled can't be loaded: %s",
                why == NULL ? "no reason given" : why);
}

/* Puts the directory under the entry's name, unless somebody else has been as quick; what stands
 * there and is no good goes. What is loaded stays so in either case. */
static ag_status keep(build *b)
{
    uint64_t size = 0, hash;
    char line[64];
    if (!scan_file(b->work, "object.so", NULL, &size, &hash))
        return fail(b, AG_IO, "%.150s can't be read: %s", b->work, strerror(errno));
    describe_object(line, size, hash);
    if (!add_to_recipe(b, "%s", line))
        return fail(b, AG_INVALID_ARGUMENT, "the compiler's command is too long");
    b->recipe_size -= strlen(line);
    if (!write_file(b->work, "recipe", b->recipe, b->recipe_size + strlen(line)))
        return fail(b, AG_IO, "%.150s can't be written: %s", b->work, strerror(errno));
    b->recipe[b->recipe_size] = '\0';
    if (rename(b->work, b->entry) == 0) {
        b->work[0] = '\0';
        return AG_OK;
    }
    if (has_entry(b))
        return AG_OK;
    char aside[PATH_SIZE];
    if (!join_path(aside, b->cache, "wengert-XXXXXX") || mkdtemp(aside) == NULL)
        return fail(b, AG_IO, "the cache %.150s can't be written: %s", b->cache, strerror(errno));
    if (rename(b->entry, aside) == 0 && rename(b->work, b->entry) == 0)
        b->work[0] = '\0';
    remove_directory(aside);
    return AG_OK;
}

static ag_status build_object(build *b, const ag_native_options *options)
{
    const char *command = options->compiler != NULL ? options->compiler : get_variable("CC");
    b->flags = options->flags;
    ag_status status = write_recipe(b, command == NULL ? "cc" : command);
    if (status == AG_OK)
        status = find_cache(b, options->cache);
    if (status != AG_OK)
        return status;
    if (*b->cache != '\0' && has_entry(b))
        return load(b, b->entry);
    status = make_work(b);
    if (status == AG_OK)
        status = compile(b);
    if (status == AG_OK)
        status = load(b, b->work);
    if (status == AG_OK && *b->cache != '\0')
        status = keep(b);
    if (*b->work != '\0')
        remove_directory(b->work);
    return status;
}

ag_status agi_object_build(const char *text, size_t size, const ag_native_options *options,
                           agi_object **object, ag_error_details *error)
{
    const ag_native_options defaults = {false, NULL, NULL, NULL};
    build b;
    memset(&b, 0, sizeof(b));
    b.text = text;
    b.size = size;
    const ag_status status = build_object(&b, options == NULL ? &defaults : options);
    if (status != AG_OK)
        agi_set_details(error, status, "%s", b.message);
    if (status != AG_OK && b.loaded != NULL)
        (void)dlclose(b.loaded);
    *object = status == AG_OK ? (agi_object *)b.loaded : NULL;
    return status;
}

void *agi_object_find(const agi_object *object, const char *symbol)
{
    return dlsym((void *)object, symbol);
}

void agi_object_free(agi_object *object)
{
    if (object != NULL)
        (void)dlclose(object);
}

#endif
