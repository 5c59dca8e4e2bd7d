/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The part of a simulated Mac that lives inside every one of its processes.
 *
 * The host's own /etc/ld.so.preload names it, so it needs nothing in the environment and also holds in setuid programs.
 * It answers like a Mac:
 *
 *   exec*, posix_spawn*   a Mach-O file is run through the program that stands in for it, if the file's architectures
 *                         and Rosetta allow that; so is a script whose interpreter is a Mach-O file
 *   dlopen, dlerror       a Mach-O library is replaced by the ELF library that stands in for it
 *   uname, sysctlbyname   from the profile, by the architecture of this process
 *   strerror              knows EBADARCH
 *
 * What stands in for a Mach-O file ("stand-in") is found in this order:
 *   1. in the file itself: the test bed writes Mach-O files that name theirs (see macho.py);
 *   2. SIM host/stand-ins/NAME: put there by hand for a file name, e.g. libmetal_plugin.dylib;
 *   3. SIM elf/by-key/KEY, a link that tools/translate makes on first use, for all hosts (see translate.py).
 *
 * Everything on the way to exec also runs between vfork and exec: no malloc, no locks, only the stack.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIM "/.simulated_mac/"
#define ROSETTA "/Library/Apple/usr/libexec/oah/libRosettaRuntime"
#define ARCH_VARIABLE "SIMULATED_MAC_ARCH"
#define STAND_IN_MARK "simulated-mac stand-in\n" /* macho.py writes it behind the load commands */

enum { MAX_WORDS = 8, HEAD = 4096, MACOS_EBADARCH = 86 };
enum arch { NO_ARCH = 0, X86_64 = 0x01000007, ARM64 = 0x0100000c };

/* ------------------------------------------------------------------ this process's architecture */

static enum arch native = ARM64, own = ARM64;

static enum arch arch_named(const char *name) {
    return !strncmp(name, "x86_64", 6) ? X86_64 : !strncmp(name, "arm64", 5) ? ARM64 : NO_ARCH;
}

static const char *arch_name(enum arch arch) { return arch == X86_64 ? "x86_64" : "arm64"; }

/* The first line of a small file, without its end; "" if there is none. */
static void first_line(const char *path, char *line, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, size - 1);
    if (fd >= 0) close(fd);
    line[n > 0 ? n : 0] = 0;
    line[strcspn(line, "\n")] = 0;
}

__attribute__((constructor)) static void settle_architecture(void) {
    char name[16];
    first_line(SIM "host/arch", name, sizeof name);
    native = own = arch_named(name) ? arch_named(name) : ARM64;
    const char *asked = getenv(ARCH_VARIABLE);
    if (asked && arch_named(asked)) own = arch_named(asked);
}

/* ------------------------------------------------------------------ Mach-O files */

struct file {
    int fd;
    off_t size;
    ssize_t length; /* of head */
    unsigned char head[HEAD];
};

static int open_file(const char *path, struct file *file) {
    struct stat st;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0) return 0;
    if (fstat(file->fd, &st) || !S_ISREG(st.st_mode) || (file->length = pread(file->fd, file->head, HEAD, 0)) < 0) {
        close(file->fd);
        return 0;
    }
    file->size = st.st_size;
    return 1;
}

static uint32_t little(const unsigned char *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
static uint32_t big(const unsigned char *p) { return p[3] | p[2] << 8 | p[1] << 16 | (uint32_t)p[0] << 24; }

static int is_thin(const struct file *f) { return f->length >= 32 && little(f->head) == 0xfeedfacf; }

/* Java classes share the magic number of universal files, but their next word is a version above 40. */
static int is_universal(const struct file *f) { return f->length >= 28 && big(f->head) == 0xcafebabe && big(f->head + 4) < 20; }

static int is_macho(const struct file *f) { return is_thin(f) || is_universal(f); }

/* Where the slice for an architecture begins, or -1. */
static off_t slice(const struct file *f, enum arch arch) {
    if (is_thin(f)) return little(f->head + 4) == (uint32_t)arch ? 0 : -1;
    for (uint32_t i = 0; i < big(f->head + 4); i++)
        if (big(f->head + 8 + 20 * i) == (uint32_t)arch) return big(f->head + 8 + 20 * i + 8);
    return -1;
}

/* The architecture that a program shall run in: inherited, or exactly that one, as arch(1) asks. */
struct wish {
    enum arch arch;
    int exactly;
};

static int can_run(enum arch arch) {
    return arch == native || (native == ARM64 && arch == X86_64 && !access(ROSETTA, F_OK));
}

/* What a Mac would run the file as: the wish, else its native architecture, else what Rosetta translates. */
static enum arch runnable_as(const struct file *f, struct wish wish) {
    if (slice(f, wish.arch) >= 0) return wish.arch;
    if (wish.exactly) return NO_ARCH;
    if (slice(f, native) >= 0) return native;
    return slice(f, X86_64) >= 0 && can_run(X86_64) ? X86_64 : NO_ARCH;
}

struct stand_in {
    int count;
    const char *words[MAX_WORDS]; /* one: an ELF file; several: a command that takes the Mach-O file's path */
    char text[PATH_MAX];
};

static int use_path(struct stand_in *s) {
    s->words[0] = s->text;
    return s->count = 1;
}

/* 1. The file names its stand-in itself, one word a line, an empty line at the end. */
static int named_inside(const struct file *f, off_t behind_commands, struct stand_in *s) {
    size_t mark = strlen(STAND_IN_MARK);
    ssize_t n = pread(f->fd, s->text, sizeof s->text - 1, behind_commands);
    if (n < (ssize_t)mark || memcmp(s->text, STAND_IN_MARK, mark)) return 0;
    s->text[n] = 0;
    s->count = 0;
    for (char *word = s->text + mark; *word && *word != '\n' && s->count < MAX_WORDS; ) {
        s->words[s->count++] = word;
        word += strcspn(word, "\n");
        if (*word) *word++ = 0;
    }
    return s->count;
}

/* 2. One was laid down for the file's name. */
static int laid_down(const char *path, struct stand_in *s) {
    const char *name = strrchr(path, '/');
    int n = snprintf(s->text, sizeof s->text, SIM "host/stand-ins/%s", name ? name + 1 : path);
    return n < (int)sizeof s->text && !access(s->text, F_OK) && use_path(s);
}

static int link_target(const char *key, struct stand_in *s) {
    ssize_t n = readlink(key, s->text, sizeof s->text - 1);
    if (n < 0) return 0;
    s->text[n] = 0;
    return use_path(s);
}

static void translate(const char *path, const char *key) {
    static int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                        char *const[], char *const[]);
    char *argv[] = {"translate", (char *)path, (char *)key, NULL}, *none[] = {NULL};
    pid_t pid;
    if (!spawn) *(void **)&spawn = dlsym(RTLD_NEXT, "posix_spawn");
    if (spawn(&pid, SIM "tools/translate", NULL, NULL, argv, none)) return;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) { }
}

/* 3. The header and load commands (which hold the UUID) tell the same file on every host: FNV-1a of them and the size. */
static int looked_up(const char *path, const struct file *f, off_t start, off_t behind_commands, struct stand_in *s) {
    uint64_t hash = 0xcbf29ce484222325u;
    unsigned char chunk[HEAD];
    char key[PATH_MAX];
    for (off_t at = start; at < behind_commands; ) {
        size_t want = behind_commands - at < HEAD ? (size_t)(behind_commands - at) : HEAD;
        ssize_t n = pread(f->fd, chunk, want, at);
        if (n <= 0) return 0;
        for (ssize_t i = 0; i < n; i++) hash = (hash ^ chunk[i]) * 0x100000001b3u;
        at += n;
    }
    snprintf(key, sizeof key, SIM "elf/by-key/%016llx-%llx", (unsigned long long)hash, (unsigned long long)f->size);
    if (link_target(key, s)) return 1;
    translate(path, key);
    return link_target(key, s);
}

static int find_stand_in(const char *path, const struct file *f, enum arch arch, struct stand_in *s) {
    unsigned char header[32];
    off_t start = slice(f, arch);
    if (start < 0 || pread(f->fd, header, sizeof header, start) != sizeof header) return 0;
    off_t behind_commands = start + (off_t)sizeof header + little(header + 20);
    return named_inside(f, behind_commands, s) || laid_down(path, s) || looked_up(path, f, start, behind_commands, s);
}

/* ------------------------------------------------------------------ exec and spawn */

/* What finally starts a program: returns 0 or an error number. */
typedef int starter(const char *path, char *const argv[], char *const envp[], const void *context);

static size_t count(char *const list[]) {
    size_t n = 0;
    while (list && list[n]) n++;
    return n;
}

static const char *value_of(const char *entry) {
    size_t n = strlen(ARCH_VARIABLE);
    return !strncmp(entry, ARCH_VARIABLE, n) && entry[n] == '=' ? entry + n + 1 : NULL;
}

/* The program inherits the architecture, whatever environment it is given; the native one needs no mention. */
static int start_as(enum arch arch, const char *path, char *const argv[], char *const envp[], starter *real,
                    const void *context) {
    char variable[64], *changed[count(envp) + 2];
    size_t n = 0;
    for (size_t i = 0; envp && envp[i]; i++)
        if (!value_of(envp[i])) changed[n++] = envp[i];
    if (arch != native) {
        snprintf(variable, sizeof variable, ARCH_VARIABLE "=%s", arch_name(arch));
        changed[n++] = variable;
    }
    changed[n] = NULL;
    return real(path, argv, changed, context);
}

/* A Mac's Python finds its home from the path of its executable: the stand-in does it from argv[0]. */
static void absolute(const char *path, char *to) {
    char here[PATH_MAX];
    if (*path == '/' || !getcwd(here, sizeof here)) here[0] = 0;
    while (!strncmp(path, "./", 2)) path += 2;
    snprintf(to, PATH_MAX, "%.*s%s%s", PATH_MAX / 2, here, *here ? "/" : "", path);
}

static int start_macho(const char *path, const struct file *f, struct wish wish, char *const argv[],
                       char *const envp[], starter *real, const void *context) {
    enum arch arch = runnable_as(f, wish);
    struct stand_in s;
    char self[PATH_MAX], *changed[MAX_WORDS + count(argv) + 2];
    size_t n = 0;
    if (!arch) return MACOS_EBADARCH;
    if (!find_stand_in(path, f, arch, &s)) return ENOEXEC;
    absolute(path, self);
    if (s.count > 1)
        for (int i = 0; i < s.count; i++) changed[n++] = (char *)s.words[i];
    changed[n++] = self;
    for (size_t i = 1; i < count(argv); i++) changed[n++] = argv[i];
    changed[n] = NULL;
    return start_as(arch, s.words[0], changed, envp, real, context);
}

/* "#!INTERPRETER [ARGUMENT]" cut into its words in place; the kernel takes the rest of the line as one argument. */
static int shebang(struct file *f, char **interpreter, char **argument) {
    if (f->length < 4 || f->head[0] != '#' || f->head[1] != '!') return 0;
    char *line = (char *)f->head + 2;
    f->head[f->length < HEAD ? f->length : HEAD - 1] = 0;
    line[strcspn(line, "\n")] = 0;
    *interpreter = line + strspn(line, " \t");
    *argument = *interpreter + strcspn(*interpreter, " \t");
    if (**argument) *(*argument)++ = 0;
    *argument += strspn(*argument, " \t");
    for (size_t n = strlen(*argument); n && strchr(" \t", (*argument)[n - 1]); n--) (*argument)[n - 1] = 0;
    return **interpreter != 0;
}

static int start_script(const char *path, struct file *script, struct wish wish, char *const argv[],
                        char *const envp[], starter *real, const void *context) {
    struct file f;
    char *interpreter, *argument, *changed[count(argv) + 4];
    size_t n = 0;
    if (!shebang(script, &interpreter, &argument) || !open_file(interpreter, &f))
        return start_as(wish.arch, path, argv, envp, real, context);
    int result;
    if (is_macho(&f)) {
        changed[n++] = interpreter;
        if (*argument) changed[n++] = argument;
        changed[n++] = (char *)path;
        for (size_t i = 1; i < count(argv); i++) changed[n++] = argv[i];
        changed[n] = NULL;
        result = start_macho(interpreter, &f, wish, changed, envp, real, context);
    } else {
        result = start_as(wish.arch, path, argv, envp, real, context);
    }
    close(f.fd);
    return result;
}

static int start(const char *path, char *const argv[], char *const envp[], starter *real, const void *context) {
    struct wish wish = {own, 0};
    struct file f;
    for (size_t i = 0; envp && envp[i]; i++) {
        const char *value = value_of(envp[i]);
        if (value && arch_named(value)) wish = (struct wish){arch_named(value), strchr(value, '!') != NULL};
    }
    if (!can_run(wish.arch)) {
        if (wish.exactly) return MACOS_EBADARCH;
        wish.arch = native;
    }
    if (access(path, X_OK) || !open_file(path, &f)) return start_as(wish.arch, path, argv, envp, real, context);
    int result = is_macho(&f) ? start_macho(path, &f, wish, argv, envp, real, context)
                              : start_script(path, &f, wish, argv, envp, real, context);
    close(f.fd);
    return result;
}

/* As execvp and posix_spawnp look: the first program on PATH that can be started. */
static int start_on_path(const char *name, char *const argv[], char *const envp[], starter *real,
                         const void *context) {
    const char *search = getenv("PATH");
    int result = ENOENT;
    if (strchr(name, '/')) return start(name, argv, envp, real, context);
    for (const char *folder = search ? search : "/usr/bin:/bin"; ; folder++) {
        char path[PATH_MAX];
        struct stat st;
        size_t n = strcspn(folder, ":");
        snprintf(path, sizeof path, "%.*s%s%s", (int)n, folder, n ? "/" : "./", name);
        if (!stat(path, &st) && S_ISREG(st.st_mode)) {
            result = start(path, argv, envp, real, context);
            if (result != EACCES && result != ENOENT) return result;
        }
        folder += n;
        if (!*folder) return result;
    }
}

static int exec_starter(const char *path, char *const argv[], char *const envp[], const void *context) {
    (void)context;
    syscall(SYS_execve, path, argv, envp);
    return errno;
}

static int fail(int error) {
    errno = error;
    return -1;
}

int execve(const char *path, char *const argv[], char *const envp[]) {
    return fail(start(path, argv, envp, exec_starter, NULL));
}

int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }

int execvpe(const char *name, char *const argv[], char *const envp[]) {
    int error = start_on_path(name, argv, envp, exec_starter, NULL);
    if (error != ENOEXEC || !strchr(name, '/')) return fail(error);
    char *shell[count(argv) + 3];
    size_t n = 0;
    shell[n++] = "/bin/sh";
    shell[n++] = (char *)name;
    for (size_t i = 1; i < count(argv); i++) shell[n++] = argv[i];
    shell[n] = NULL;
    return execve(shell[0], shell, envp);
}

int execvp(const char *name, char *const argv[]) { return execvpe(name, argv, environ); }

/* The execl family: the arguments on the stack, with or without an environment behind them. */
#define EXECL(call, has_environment)                                                          \
    va_list counted, taken;                                                                   \
    size_t n = 1;                                                                             \
    va_start(counted, argument);                                                              \
    va_copy(taken, counted);                                                                  \
    while (va_arg(counted, char *)) n++;                                                      \
    va_end(counted);                                                                          \
    char *argv[n + 1];                                                                        \
    argv[0] = (char *)argument;                                                               \
    for (size_t i = 1; i <= n; i++) argv[i] = va_arg(taken, char *);                          \
    char *const *envp = has_environment ? va_arg(taken, char *const *) : environ;             \
    va_end(taken);                                                                            \
    return call(path, argv, envp)

int execl(const char *path, const char *argument, ...) { EXECL(execve, 0); }
int execle(const char *path, const char *argument, ...) { EXECL(execve, 1); }
int execlp(const char *path, const char *argument, ...) { EXECL(execvpe, 0); }

struct spawn {
    pid_t *pid;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
};

static int spawn_starter(const char *path, char *const argv[], char *const envp[], const void *context) {
    static int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                       char *const[], char *const[]);
    const struct spawn *s = context;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "posix_spawn");
    return real(s->pid, path, s->actions, s->attributes, argv, envp);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
    return start(path, argv, envp, spawn_starter, &(struct spawn){pid, actions, attributes});
}

int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
    return start_on_path(name, argv, envp, spawn_starter, &(struct spawn){pid, actions, attributes});
}

/* ------------------------------------------------------------------ dlopen */

static __thread char trouble[PATH_MAX + 128];

static void wrong_architecture(const char *path, int flags, const struct file *f) {
    enum arch have = slice(f, ARM64) >= 0 ? ARM64 : X86_64;
    snprintf(trouble, sizeof trouble,
             "dlopen(%.1000s, 0x%04X): tried: '%.1000s' (mach-o file, but is an incompatible architecture "
             "(have '%s', need '%s'))", path, flags, path, arch_name(have), own == ARM64 ? "arm64e' or 'arm64" : "x86_64");
}

static char *real_dlerror(void) {
    static char *(*real)(void);
    /* Looked up even before anything fails: it makes the loader forget its error. */
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "dlerror");
    return real();
}

/* The loader's words on a stand-in, as dyld says them of the library for which it stands in. */
static void *load_stand_in(void *(*load)(const char *, int), const char *path, const char *stand_in, int flags) {
    real_dlerror();
    void *handle = load(stand_in, flags);
    if (handle) return handle;
    const char *said = real_dlerror(), *symbol = said ? strstr(said, "undefined symbol: ") : NULL;
    if (symbol)
        snprintf(trouble, sizeof trouble, "dlopen(%.1000s, 0x%04X): symbol not found in flat namespace '_%.500s'", path,
                 flags, symbol + strlen("undefined symbol: "));
    else
        snprintf(trouble, sizeof trouble, "dlopen(%.1000s, 0x%04X): %.1000s", path, flags, said ? said : "no reason");
    return NULL;
}

void *dlopen(const char *path, int flags) {
    static void *(*real)(const char *, int);
    struct file f;
    struct stand_in s;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "dlopen");
    trouble[0] = 0;
    if (!path || !strchr(path, '/') || !open_file(path, &f)) return real(path, flags);
    void *handle = NULL;
    if (!is_macho(&f))
        handle = real(path, flags);
    else if (slice(&f, own) < 0)
        wrong_architecture(path, flags, &f);
    else if (find_stand_in(path, &f, own, &s))
        handle = load_stand_in(real, path, s.words[0], flags);
    else
        snprintf(trouble, sizeof trouble, "simulated Mac: nothing stands in for %.1000s (see stderr)", path);
    close(f.fd);
    return handle;
}

char *dlerror(void) {
    static __thread char told[sizeof trouble];
    if (!trouble[0]) return real_dlerror();
    strcpy(told, trouble);
    trouble[0] = 0;
    return told;
}

char *strerror(int error) {
    static char *(*real)(int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "strerror");
    return error == MACOS_EBADARCH ? "Bad CPU type in executable" : real(error);
}

/* ------------------------------------------------------------------ uname and sysctlbyname */

static void take_line(FILE *f, char *to, size_t size) {
    char line[256];
    if (!fgets(line, sizeof line, f)) return;
    line[strcspn(line, "\n")] = 0;
    snprintf(to, size, "%.*s", (int)size - 1, line);
}

/* The name of the host is the UTS namespace's own; the rest are three lines of the profile. */
int uname(struct utsname *u) {
    if (syscall(SYS_uname, u)) return -1;
    FILE *f = fopen(SIM "host/uname", "re");
    if (!f) return 0;
    take_line(f, u->sysname, sizeof u->sysname);
    take_line(f, u->release, sizeof u->release);
    take_line(f, u->version, sizeof u->version);
    fclose(f);
    strcpy(u->machine, arch_name(own));
    return 0;
}

/* The value behind "NAME: " in the profile's listing; 0 if there is none. */
static int sysctl_value(const char *name, char *value, size_t size) {
    char line[1024];
    size_t n = strlen(name);
    int found = 0;
    FILE *f = fopen(SIM "host/sysctl", "re");
    while (f && !found && fgets(line, sizeof line, f))
        if ((found = !strncmp(line, name, n) && !strncmp(line + n, ": ", 2))) {
            line[strcspn(line, "\n")] = 0;
            snprintf(value, size, "%.*s", (int)size - 1, line + n + 2);
        }
    if (f) fclose(f);
    if (found && !strcmp(name, "sysctl.proc_translated")) strcpy(value, own != native ? "1" : "0");
    return found;
}

int sysctlbyname(const char *name, void *old, size_t *length, const void *new_value, size_t new_length) {
    char value[1024], *end;
    (void)new_value;
    (void)new_length;
    if (!sysctl_value(name, value, sizeof value)) return fail(ENOENT);
    long long number = strtoll(value, &end, 10);
    int is_number = *value && !*end;
    size_t size = !is_number ? strlen(value) + 1 : number > INT32_MAX || (old && length && *length >= 8) ? 8 : 4;
    if (old && length && *length < size) return fail(ENOMEM);
    if (old) memcpy(old, is_number ? (void *)&number : (void *)value, size);
    if (length) *length = size;
    return 0;
}
