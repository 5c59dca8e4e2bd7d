/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stands in for every program of a Mac: answers at once, as a Mac's own programs do, what needs no thought, and hands
 * all else over to tools/mac_programs. Called as `answer ROLE PATH [ARGUMENT...]`, see mac_programs.py.
 *
 *   host/answers/KEY   what a call prints, KEY being the hash of the line "NAME ARGUMENT...", or of its first words and
 *                      a star: "RC MILLISECONDS LENGTH\n", as many bytes for stdout, the rest for stderr. It ends after
 *                      so many milliseconds.
 *   host/sysctl        "NAME: VALUE" lines; a name alone is known, but has no value
 *
 * Every call that is answered here is noted in host/calls.jsonl, as mac_programs notes its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SIM "/.simulated_mac/"
#define DEVELOPER_FOLDER "/Library/Developer/CommandLineTools"

enum { NOT_ANSWERED = -1, LINE = 4096, LISTING = 1 << 18 };

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
static void take_note(char *argv[], int rc) {
    struct timespec now;
    char *line;
    size_t length;
    FILE *note = open_memstream(&line, &length);
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(note, "{\"time\": %lld.%06ld, \"argv\": [", (long long)now.tv_sec, now.tv_nsec / 1000);
    for (int i = 2; argv[i]; i++) {
        if (i > 2) fputs(", ", note);
        write_string(note, argv[i]);
    }
    fprintf(note, "], \"rc\": %d, \"shim\": %s, \"uid\": %d, \"ppid\": %d, \"parent\": [", rc,
            strcmp(argv[1], "shim") ? "false" : "true", (int)getuid(), (int)getppid());
    write_parent(note, getppid());
    fputs("]}\n", note);
    fclose(note);
    int fd = open(SIM "host/calls.jsonl", O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) || write(fd, line, length) < 0) perror("simulated Mac: calls.jsonl");
}

/* ------------------------------------------------------------------ answers word for word */

static uint64_t fnv1a(const char *text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static FILE *answer_file(const char *call) {
    char path[64];
    snprintf(path, sizeof path, SIM "host/answers/%016llx", (unsigned long long)fnv1a(call));
    return fopen(path, "re");
}

/* The answer to the whole line, or to as many of its first words as there is one for. */
static FILE *find_answer(const char *name, char *args[]) {
    char *call;
    size_t length;
    FILE *words = open_memstream(&call, &length);
    fputs(name, words);
    for (; *args; args++) fprintf(words, " %s", *args);
    fputs(" *", words);
    fclose(words);
    char *end = call + length - strlen(" *");
    *end = 0;
    FILE *file = answer_file(call);
    for (; !file && end; end = strrchr(call, ' ')) {
        strcpy(end, " *");
        file = answer_file(call);
        *end = 0;
    }
    return file;
}

static void copy(FILE *from, FILE *to, long bytes) {
    for (int c; bytes-- && (c = getc(from)) != EOF;) putc(c, to);
}

static int given(const char *name, char *args[]) {
    FILE *file = find_answer(name, args);
    int rc;
    long milliseconds, length;
    if (!file || fscanf(file, "%d %ld %ld", &rc, &milliseconds, &length) != 3 || getc(file) != '\n')
        return NOT_ANSWERED;
    usleep((useconds_t)milliseconds * 1000);
    copy(file, stdout, length);
    copy(file, stderr, -1);
    return rc;
}

/* ------------------------------------------------------------------ sysctl and xcode-select */

/* The profile's listing, with what depends on the process itself. */
static const char *listing(void) {
    static char text[LISTING];
    int fd = open(SIM "host/sysctl", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    char *translated = strstr(text, "\nsysctl.proc_translated: 0");
    const char *arch = getenv("SIMULATED_MAC_ARCH"); /* only where it is not the machine's own */
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
    ssize_t n = readlink("/private/var/db/xcode_select_link", path, sizeof path);
    if (n > 0) return printf("%.*s\n", (int)n, path), 0;
    if (!access(DEVELOPER_FOLDER, F_OK)) return puts(DEVELOPER_FOLDER), 0;
    fputs("xcode-select: error: Unable to get active developer directory. Use `sudo xcode-select --switch "
          "path/to/Xcode.app` to set one (or see `man xcode-select`)\n", stderr);
    return 2;
}

int main(int argc, char *argv[]) {
    if (argc < 3) return 70;
    const char *slash = strrchr(argv[2], '/'), *name = slash ? slash + 1 : argv[2];
    int rc = given(name, argv + 3);
    if (rc == NOT_ANSWERED && !strcmp(name, "sysctl")) rc = sysctl(argv + 3);
    if (rc == NOT_ANSWERED && !strcmp(name, "xcode-select")) rc = xcode_select(argv + 3);
    if (rc == NOT_ANSWERED) {
        argv[0] = SIM "tools/mac_programs";
        execv(argv[0], argv);
        perror(argv[0]);
        return 70;
    }
    fflush(stdout);
    take_note(argv, rc);
    return rc;
}
