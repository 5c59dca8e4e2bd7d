/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stands in for every program of a Mac: the one that answers, and notes each call in host/calls.jsonl. Called as
 * `answer ROLE PATH [ARGUMENT...]`: PATH is the program's on the Mac, ROLE is
 *
 *   system   one of the system's own programs
 *   shim     hands over to the developer tools, and opens a dialog on the user's screen if there are none
 *   tool     one of those tools
 *
 * An answer is, in this order: what host/answers.dat gives word for word; what is known here, because it must not take
 * longer than on a Mac or becomes another program; what tools/mac_programs works out.
 *
 *   host/answers.dat   "NAME ARGUMENT...\nRC MILLISECONDS LENGTH LENGTH\n", then as many bytes for stdout and for
 *                      stderr, over and over. A star stands for any more arguments. The call takes so long.
 *   host/sysctl        "NAME: VALUE" lines; a name alone is known, but has no value
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIM "/.simulated_mac/"
#define DEVELOPER_FOLDER "/Library/Developer/CommandLineTools"
#define SELECTED_TOOLS "/private/var/db/xcode_select_link"
#define ARCH_VARIABLE "SIMULATED_MAC_ARCH" /* see shim.c; only where it is not the machine's own */

enum { NOT_ANSWERED = -1, NOT_SIMULATED = 70, BECOMES_ANOTHER = -2, LINE = 4096, LISTING = 1 << 18 };

static char **called; /* this program's own arguments */

/* ------------------------------------------------------------------ the call log */

static void write_string(FILE *to, const char *text) {
    putc('"', to);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        fprintf(to, *c == '"' || *c == '\\' || *c < ' ' ? "\\u%04x" : "%c", *c);
    putc('"', to);
}

static void write_parent(FILE *to, pid_t parent) {
    char path[64], line[LINE];
    snprintf(path, sizeof path, "/proc/%d/cmdline", parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
    if (fd >= 0) close(fd);
    line[n > 0 ? n : 0] = 0;
    for (char *word = line; word < line + n; word += strlen(word) + 1) {
        if (word != line) fputs(", ", to);
        write_string(to, word);
    }
}

/* One line of JSON, in one write. */
static void take_note(int rc) {
    struct timespec now;
    char status[16] = "null";
    char *line;
    size_t length;
    FILE *note = open_memstream(&line, &length);
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(note, "{\"time\": %lld.%06ld, \"argv\": [", (long long)now.tv_sec, now.tv_nsec / 1000);
    for (int i = 2; called[i]; i++) {
        if (i > 2) fputs(", ", note);
        write_string(note, called[i]);
    }
    if (rc != BECOMES_ANOTHER) snprintf(status, sizeof status, "%d", rc);
    fprintf(note, "], \"rc\": %s, \"shim\": %s, \"uid\": %d, \"ppid\": %d, \"parent\": [", status,
            strcmp(called[1], "shim") ? "false" : "true", (int)getuid(), (int)getppid());
    write_parent(note, getppid());
    fputs("]}\n", note);
    fclose(note);
    int fd = open(SIM "host/calls.jsonl", O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) || write(fd, line, length) < 0) perror("simulated Mac: calls.jsonl");
}

/* ------------------------------------------------------------------ answers word for word */

struct answer {
    int rc;
    long milliseconds, out, err; /* how long it takes, and how many bytes it prints */
    const char *text;
};

static const char *all_answers(size_t *size) {
    struct stat st;
    int fd = open(SIM "host/answers.dat", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) || !st.st_size) return NULL;
    *size = (size_t)st.st_size;
    const char *text = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    return text == MAP_FAILED ? NULL : text;
}

static int look_up(const char *call, const char *text, size_t size, struct answer *found) {
    size_t length = strlen(call);
    for (const char *at = text; at && at < text + size; at = found->text + found->out + found->err) {
        const char *end = memchr(at, '\n', (size_t)(text + size - at));
        char *number = (char *)end;
        if (!end) return 0;
        found->rc = (int)strtol(number, &number, 10);
        found->milliseconds = strtol(number, &number, 10);
        found->out = strtol(number, &number, 10);
        found->err = strtol(number, &number, 10);
        found->text = number + 1;
        if ((size_t)(end - at) == length && !memcmp(at, call, length)) return 1;
    }
    return 0;
}

/* The answer to the whole line, or to as many of its first words as there is one for. */
static int find_answer(const char *name, char *args[], struct answer *found) {
    char *call;
    size_t length, size = 0;
    const char *text = all_answers(&size);
    FILE *words = open_memstream(&call, &length);
    fputs(name, words);
    for (; *args; args++) fprintf(words, " %s", *args);
    fputs(" *", words);
    fclose(words);
    char *end = call + length - strlen(" *");
    *end = 0;
    if (look_up(call, text, size, found)) return 1;
    for (; end; end = strrchr(call, ' ')) {
        strcpy(end, " *");
        if (look_up(call, text, size, found)) return 1;
        *end = 0;
    }
    return 0;
}

static int given(const char *name, char *args[]) {
    struct answer answer;
    if (!find_answer(name, args, &answer)) return NOT_ANSWERED;
    usleep((useconds_t)answer.milliseconds * 1000);
    fwrite(answer.text, 1, (size_t)answer.out, stdout);
    fwrite(answer.text + answer.out, 1, (size_t)answer.err, stderr);
    return answer.rc;
}

/* ------------------------------------------------------------------ sysctl and xcode-select */

/* The profile's listing, with what depends on the process itself. */
static const char *listing(void) {
    static char text[LISTING];
    int fd = open(SIM "host/sysctl", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    char *translated = strstr(text, "\nsysctl.proc_translated: 0");
    const char *arch = getenv(ARCH_VARIABLE);
    if (translated && arch && !strncmp(arch, "x86_64", 6)) translated[strlen("\nsysctl.proc_translated: ")] = '1';
    return text;
}

/* Print the name, or all below it. Returns whether this Mac knows it, be it without a value. */
static int print_name(const char *name, int bare) {
    size_t length = strlen(name);
    int known = 0;
    for (const char *line = listing(), *end; (end = strchr(line, '\n')); line = end + 1) {
        if (strncmp(line, name, length) || (length && !strchr(".:\n", line[length]))) continue;
        known = 1;
        const char *colon = memmem(line, (size_t)(end - line), ": ", 2);
        const char *from = bare && colon ? colon + 2 : line;
        if (colon) printf("%.*s\n", (int)(end - from), from);
    }
    return known;
}

/* The one value that is asked for in binary: two long integers. */
static int print_boot_time(void) {
    int64_t time[2] = {0, 0};
    const char *line = strstr(listing(), "kern.boottime: { sec = ");
    if (line) time[0] = atoll(line + strlen("kern.boottime: { sec = "));
    fwrite(time, sizeof time, 1, stdout);
    return 0;
}

/* -a, -b, -i, -n, -q: names in the order asked; what has no value is left out silently, what is unknown is named. */
static int sysctl(char *args[]) {
    int all = 0, binary = 0, quiet = 0, bare = 0, rc = 0;
    for (; *args && **args == '-'; args++)
        for (const char *flag = *args + 1; *flag; flag++) {
            if (!strchr("abinq", *flag)) return NOT_ANSWERED;
            all |= *flag == 'a';
            binary |= *flag == 'b';
            bare |= *flag == 'n';
            quiet |= *flag == 'i' || *flag == 'q';
        }
    if (binary) return *args && !strcmp(*args, "kern.boottime") && !args[1] ? print_boot_time() : NOT_ANSWERED;
    if (all) print_name("", bare);
    for (; *args && !all; args++)
        if (!print_name(*args, bare) && !quiet) {
            fprintf(stderr, "sysctl: unknown oid '%s'\n", *args);
            rc = 1;
        }
    return rc;
}

/* -p: the folder that is selected, whether its tools are still there or not. */
static int xcode_select(char *args[]) {
    char path[LINE];
    if (!*args || args[1] || (strcmp(*args, "-p") && strcmp(*args, "--print-path"))) return NOT_ANSWERED;
    ssize_t n = readlink(SELECTED_TOOLS, path, sizeof path);
    if (n > 0) return printf("%.*s\n", (int)n, path), 0;
    if (!access(DEVELOPER_FOLDER, F_OK)) return puts(DEVELOPER_FOLDER), 0;
    fputs("xcode-select: error: Unable to get active developer directory. Use `sudo xcode-select --switch "
          "path/to/Xcode.app` to set one (or see `man xcode-select`)\n", stderr);
    return 2;
}

/* ------------------------------------------------------------------ what becomes another program */

/* Run it in this one's place; returns only if that fails. */
static void become(const char *program, char *args[]) {
    fflush(stdout);
    take_note(BECOMES_ANOTHER);
    execvp(program, args);
}

/* Alone: what this process runs as. With -arm64 or -x86_64 and a command: run it so. */
static int arch(char *args[]) {
    static const char *const known[][2] = {{"-arm64", "arm64!"}, {"-arm64e", "arm64!"}, {"-x86_64", "x86_64!"}};
    char own[16] = "";
    const char *translated = getenv(ARCH_VARIABLE);
    if (!*args) {
        int fd = open(SIM "host/arch", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, own, sizeof own - 1) < 0) perror("simulated Mac: host/arch");
        return puts(strncmp(translated ? translated : own, "arm64", 5) ? "i386" : "arm64"), 0;
    }
    for (int i = 0; i < 3; i++)
        if (!strcmp(*args, known[i][0]) && args[1] && *args[1] != '-') {
            setenv(ARCH_VARIABLE, known[i][1], 1); /* exactly so, or not at all */
            become(args[1], args + 1);
            fprintf(stderr, "arch: posix_spawnp: %s: %s\n", args[1], strerror(errno));
            exit(1);
        }
    return NOT_ANSWERED;
}

/* /usr/bin/python3, git, clang: hand over to the developer tools, or ask for them with a dialog. */
static int shim(const char *name, char *args[]) {
    char tool[LINE], link[LINE];
    snprintf(tool, sizeof tool, DEVELOPER_FOLDER "/usr/bin/%s", name);
    if (!access(tool, F_OK)) {
        args[-1] = tool;
        become(tool, args - 1);
    }
    if (readlink(SELECTED_TOOLS, link, sizeof link) > 0)
        fputs("xcrun: error: invalid active developer path (" DEVELOPER_FOLDER "), missing xcrun at: "
              DEVELOPER_FOLDER "/usr/bin/xcrun\n", stderr);
    else
        fputs("xcode-select: note: No developer tools were found, requesting install.\n"
              "If developer tools are located at a non-default location on disk, use `sudo xcode-select --switch "
              "path/to/Xcode.app` to specify the Xcode that you wish to use for command line developer tools, and "
              "cancel the installation dialog.\nSee `man xcode-select` for more details.\n", stderr);
    return 1;
}

/* git and make are the ones of Linux, where it has them; the others are not simulated. */
static int developer_tool(const char *name, char *args[]) {
    char linux_program[LINE];
    snprintf(linux_program, sizeof linux_program, SIM "usr/bin/%s", name);
    if ((strcmp(name, "git") && strcmp(name, "make")) || access(linux_program, X_OK)) return NOT_ANSWERED;
    args[-1] = (char *)name;
    become(linux_program, args - 1);
    return NOT_ANSWERED;
}

/* ------------------------------------------------------------------ all others */

/* tools/mac_programs PATH [ARGUMENT...], which ends when this process does. */
static int worked_out(char *argv[]) {
    int status;
    pid_t child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        argv[1] = SIM "tools/mac_programs";
        execv(argv[1], argv + 1);
        perror(argv[1]);
        _exit(NOT_SIMULATED);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return NOT_SIMULATED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int answer(const char *name, char *argv[]) {
    char **args = argv + 3;
    int rc = given(name, args);
    if (rc != NOT_ANSWERED) return rc;
    if (!strcmp(argv[1], "shim")) return shim(name, args);
    if (!strcmp(argv[1], "tool")) rc = developer_tool(name, args);
    else if (!strcmp(name, "arch")) rc = arch(args);
    else if (!strcmp(name, "sysctl")) rc = sysctl(args);
    else if (!strcmp(name, "xcode-select")) rc = xcode_select(args);
    return rc == NOT_ANSWERED ? worked_out(argv) : rc;
}

int main(int argc, char *argv[]) {
    if (argc < 3) return NOT_SIMULATED;
    char *copy[argc + 1]; /* for the call log: what is run in the end changes argv */
    memcpy(copy, argv, sizeof copy);
    called = copy;
    const char *slash = strrchr(argv[2], '/'), *name = slash ? slash + 1 : argv[2];
    int rc = answer(name, argv);
    fflush(stdout);
    take_note(rc);
    return rc;
}
