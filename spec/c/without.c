/* without.c: runs a program on a kernel that lacks system calls: `without NAME... -- PROGRAM ARGS...` installs a filter
 * under which they fail with ENOSYS, as they do in older kernels and tight containers, and executes the program.
 * Knows nothing of moonwire. One thread. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "without.c: name this architecture's AUDIT_ARCH"
#endif

enum { ANY = -1, MOST = 16 };

/* What a name makes fail: a system call, whatever its arguments are or where one of them has a value. */
static const struct {
    const char *name;
    int number, arg, value;
} missing[] = {
    {"seccomp", SYS_seccomp, ANY, 0},
    {"seccomp", SYS_prctl, 0, PR_SET_SECCOMP}, /* the older way to the same */
    {"landlock", SYS_landlock_create_ruleset, ANY, 0},
    {"openat2", SYS_openat2, ANY, 0},
    {"rlimits", SYS_prlimit64, 1,
     RLIMIT_NPROC}, /* one of them; the sanitizers can't do without others */
    {"no_new_privs", SYS_prctl, 0, PR_SET_NO_NEW_PRIVS},
    {"undumpable", SYS_prctl, 0, PR_SET_DUMPABLE},
    {"death_signal", SYS_prctl, 0, PR_SET_PDEATHSIG},
    {"memfd", SYS_memfd_create, ANY, 0},
};

/* Appends the check of one call: of five steps, whose last is the failure. */
static size_t add(struct sock_filter *code, size_t at, int number, int arg, int value)
{
    uint32_t arg_at =
        (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)(arg == ANY ? 0 : arg));
    uint32_t nr = (uint32_t)offsetof(struct seccomp_data, nr);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr);
    if (arg == ANY) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
    } else {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 3);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arg_at);
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, 0, 1);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    return at;
}

static size_t begin(struct sock_filter *code)
{
    uint32_t arch = (uint32_t)offsetof(struct seccomp_data, arch);
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch);
    code[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    code[2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    return 3;
}

static int install(struct sock_filter *code, size_t length)
{
    struct sock_fprog program = {.len = (unsigned short)length, .filter = code};
    code[length - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
        return 0;
    /* An ordinary user may install one only so. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

int main(int argc, char **argv)
{
    struct sock_filter code[4 + 5 * MOST];
    size_t length = begin(code);
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        size_t before = length;
        for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
            if (strcmp(missing[i].name, argv[at]) == 0 && length + 6 < sizeof code / sizeof code[0])
                length = add(code, length, missing[i].number, missing[i].arg, missing[i].value);
        if (length == before) {
            fprintf(stderr, "without: unknown name '%s'\n", argv[at]);
            return 2;
        }
    }
    if (at + 1 >= argc) {
        fputs("usage: without NAME... -- PROGRAM ARGS...\n", stderr);
        return 2;
    }
    if (install(code, length + 1) != 0) {
        perror("without: no filter");
        return 2;
    }
    execvp(argv[at + 1], argv + at + 1);
    perror("without: exec");
    return 127;
}
