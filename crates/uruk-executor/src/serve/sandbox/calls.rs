//! The system calls of a process that computes.

use libc::*;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use std::collections::BTreeMap;

/// Calls that are allowed whatever they are given. They reach what the process has: its memory, its threads, its descriptors.
/// Files are opened as Landlock says.
#[rustfmt::skip]
const ANY: &[c_long] = &[
    // Descriptors
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_close, SYS_close_range,
    SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_openat, SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_getdents64,
    SYS_dup, SYS_dup3, SYS_pipe2, SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2,
    SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_getcwd, SYS_umask, SYS_ftruncate, SYS_fsync, SYS_fdatasync,
    // Sockets that it was given
    SYS_accept, SYS_accept4, SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_shutdown, SYS_getsockname, SYS_getpeername, SYS_getsockopt,
    SYS_setsockopt,
    // Memory
    SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_mincore, SYS_msync, SYS_mlock, SYS_munlock,
    SYS_membarrier, SYS_memfd_create,
    // Threads and time
    SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_set_tid_address, SYS_gettid, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
    SYS_getcpu, SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_times,
    SYS_getitimer, SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_delete,
    SYS_timer_getoverrun,
    // Signals of its own
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_rt_sigpending,
    SYS_sigaltstack, SYS_restart_syscall,
    // What it is, and its end and its children's
    SYS_getpid, SYS_getppid, SYS_getpgid, SYS_getsid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getgroups,
    SYS_getresuid, SYS_getresgid, SYS_uname, SYS_sysinfo, SYS_getrusage, SYS_getrandom, SYS_getpriority,
    SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid,
];

/// The same calls by their older names.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OWN: &[c_long] = &[
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_dup2, SYS_pipe, SYS_poll, SYS_select, SYS_epoll_create,
    SYS_epoll_wait, SYS_eventfd, SYS_fork, SYS_vfork, SYS_pause, SYS_alarm, SYS_time, SYS_arch_prctl, SYS_getpgrp,
];

#[cfg(target_arch = "aarch64")]
const OWN: &[c_long] = &[];

/// `riscv_flush_icache` (Linux, arch/riscv/include/uapi/asm/unistd.h).
#[cfg(target_arch = "riscv64")]
const OWN: &[c_long] = &[259];

/// New name spaces for a process that is made.
const NEW_SPACES: u64 =
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET) as u64
        | 0x80;

/// The rules: of the calls that are not here, none is allowed.
pub(super) fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ANY.iter().chain(OWN).map(|call| (*call, Vec::new())).collect();
    let own = std::process::id().into();
    let when = |conditions: &[(u8, SeccompCmpOp, u64)]| {
        let condition = |(index, operator, value): &(u8, SeccompCmpOp, u64)| {
            SeccompCondition::new(*index, SeccompCmpArgLen::Dword, operator.clone(), *value)
        };
        SeccompRule::new(conditions.iter().map(condition).collect::<Result<_, _>>()?)
    };
    let equal =
        |index: u8, values: &[u64]| values.iter().map(|value| when(&[(index, SeccompCmpOp::Eq, *value)])).collect();
    let mut allow =
        |call: c_long, of: Result<Vec<SeccompRule>, BackendError>| of.map(|of| drop(rules.insert(call, of)));
    // Threads and copies of itself. The newer call is refused by a filter of its own.
    allow(SYS_clone3, Ok(Vec::new()))?;
    allow(SYS_clone, Ok(vec![when(&[(0, SeccompCmpOp::MaskedEq(NEW_SPACES), 0)])?]))?;
    allow(SYS_kill, equal(0, &[own]))?;
    allow(SYS_tgkill, equal(0, &[own]))?;
    // Looking at limits, not setting them.
    allow(SYS_prlimit64, Ok(vec![when(&[(0, SeccompCmpOp::Eq, 0), (2, SeccompCmpOp::Eq, 0)])?]))?;
    allow(
        SYS_prctl,
        equal(
            0,
            &[
                PR_SET_NAME as u64,
                PR_GET_NAME as u64,
                PR_GET_DUMPABLE as u64,
                PR_SET_PDEATHSIG as u64,
                PR_SET_VMA as u64,
            ],
        ),
    )?;
    // Of descriptors: what they are, not whom they signal.
    let of_descriptors =
        [F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETPIPE_SZ, F_SETPIPE_SZ, F_GET_SEALS];
    allow(SYS_fcntl, equal(1, &of_descriptors.map(|command| command as u64)))?;
    // A terminal is asked what it is; nothing is typed into it.
    allow(SYS_ioctl, equal(1, &[TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX]))?;
    Ok(rules)
}
