/* SPDX-License-Identifier: MIT
 *
 * Writes a file whole or not at all: into a temporary one in the same directory, which reaches the
 * disk and then takes the name. Whoever reads the name gets the old file or the new one, even if
 * this process is killed half-way; then the temporary one is left behind.
 */
#define _POSIX_C_SOURCE 200809L
#include "net.h"

#include <errno.h>
#include <string.h>
#if NNI_POSIX
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#define fail(path, error, ...) nni_fail_at(error, path, 0, 0, AG_IO, __VA_ARGS__)

/* The number of the reason why not all was written; 0: it was. */
static int fill(FILE *file, nni_writer *write, const void *context)
{
    errno = 0;
    bool good = write(file, context) && fflush(file) == 0;
#if NNI_POSIX
    good = good && fsync(fileno(file)) == 0;
#endif
    const int reason = good ? 0 : errno != 0 ? errno : EIO;
    const bool closed = fclose(file) == 0;
    return reason == 0 && !closed ? errno : reason;
}

#if NNI_POSIX

/* The length of a path's directory, with the slash. */
static size_t count_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* A new path: the directory of `path`, if name does not begin at the root, and name. NULL, with
 * errno: no memory. */
static char *join(const char *path, const char *name, size_t length)
{
    const size_t directory = name[0] == '/' ? 0 : count_directory(path);
    char *joined = NNI_NEW_ARRAY(directory + length + 1, char);
    if (joined == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(joined, path, directory);
    memcpy(joined + directory, name, length);
    return joined;
}

/* Where path's symbolic links lead, whether there is a file or not. NULL, with errno: no memory,
 * too many links. */
static char *follow_links(const char *path)
{
    enum {
        MOST_LINKS = 40,
        MOST_BYTES = 4096
    };
    char link[MOST_BYTES], *at = join("", path, strlen(path));
    for (size_t links = 0; at != NULL; links++) {
        const ssize_t length = readlink(at, link, sizeof(link));
        if (length < 0)
            return at;
        const bool much = links == MOST_LINKS || (size_t)length == sizeof(link);
        char *next = much ? NULL : join(at, link, (size_t)length);
        nni_release(at);
        if (much)
            errno = ELOOP;
        at = next;
    }
    return NULL;
}

/* Makes a file beside target that nobody else has; its name, which has room, says which. -1, with
 * errno. */
static int open_temporary(const char *target, char *name, size_t size)
{
    int descriptor = -1;
    for (unsigned n = 0; n < 10000 && descriptor < 0; n++) {
        (void)snprintf(name, size, "%.*s.wengert-%ld-%u", (int)count_directory(target), target,
                       (long)getpid(), n);
        descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST)
            break;
    }
    return descriptor;
}

/* So that the new name is on the disk, too. The file is in its place, whatever comes of this. */
static void sync_directory(char *target)
{
    const size_t length = count_directory(target);
    target[length] = '\0';
    const int descriptor = open(length > 0 ? target : ".", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    (void)fsync(descriptor);
    (void)close(descriptor);
}

/* name has room for a temporary file's. Returns the number of the reason, 0: it is done. */
static int replace(const char *target, const struct stat *old, char *name, size_t size,
                   nni_writer *write, const void *context)
{
    const int descriptor = open_temporary(target, name, size);
    if (descriptor < 0)
        return errno;
    FILE *file = NULL;
    int reason = 0;
    if ((old != NULL && fchmod(descriptor, old->st_mode & 07777) != 0) ||
        (file = fdopen(descriptor, "wb")) == NULL) {
        reason = errno;
        (void)close(descriptor);
    } else {
        reason = fill(file, write, context);
    }
    if (reason == 0 && rename(name, target) != 0)
        reason = errno;
    if (reason != 0)
        (void)unlink(name);
    return reason;
}

ag_status nni_write_whole(const char *path, nni_writer *write, const void *context, nn_error *error)
{
    char *target = follow_links(path);
    if (target == NULL)
        return errno == ENOMEM ? nni_fail_memory(error)
                               : fail(path, error, "can't be written: %s", strerror(errno));
    struct stat old;
    const bool is_there = stat(target, &old) == 0;
    const size_t size = strlen(target) + 64;
    char *name = NNI_NEW_ARRAY(size, char);
    ag_status status = AG_OK;
    int reason = 0;
    if (name == NULL)
        status = nni_fail_memory(error);
    else if (is_there && !S_ISREG(old.st_mode))
        status = fail(path, error, "is not a regular file, and is left alone");
    else if (is_there && access(target, W_OK) != 0)
        reason = errno;
    else
        reason = replace(target, is_there ? &old : NULL, name, size, write, context);
    if (reason != 0)
        status = fail(path, error, "can't be written: %s", strerror(reason));
    if (status == AG_OK)
        sync_directory(target);
    nni_release(name);
    nni_release(target);
    return status;
}

#else

ag_status nni_write_whole(const char *path, nni_writer *write, const void *context, nn_error *error)
{
    static const char ending[] = ".wengert";
    char *name = nni_allocate(strlen(path) + sizeof(ending), 1);
    if (name == NULL)
        return nni_fail_memory(error);
    strcat(strcpy(name, path), ending);
    FILE *file = fopen(name, "wb");
    int reason = file == NULL ? errno : fill(file, write, context);
    /* a name that is taken may have to be given up first */
    if (reason == 0 && rename(name, path) != 0 && (remove(path) != 0 || rename(name, path) != 0))
        reason = errno != 0 ? errno : EIO;
    if (reason != 0 && file != NULL)
        (void)remove(name);
    nni_release(name);
    return reason == 0 ? AG_OK : fail(path, error, "can't be written: %s", strerror(reason));
}

#endif
