//! What services and containers do to a server: filters of system calls, and files that are not there.
#![expect(unsafe_code, reason = "what runs between fork and exec, and system calls that no crate wraps")]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A system call's number.
type Call = libc::c_long;

/// What a filter does with a call that it does not want.
#[derive(Clone, Copy)]
pub enum Refusal {
    Kill,
    NotPermitted,
}

impl Refusal {
    fn action(self) -> u32 {
        match self {
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
            Self::NotPermitted => libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        }
    }
}

/// A seccomp filter, as a program for the kernel.
pub struct Filter(Vec<libc::sock_filter>);

const LOAD_CALL: u32 = 0;
const LOAD_THIRD_ARGUMENT: u32 = 32;

impl Filter {
    /// Refuses these calls.
    pub fn denying(calls: &[Call], refusal: Refusal) -> Self {
        let mut program = vec![load(LOAD_CALL)];
        for &call in calls {
            program.extend([jump(call as u32, 0, 1), end(refusal.action())]);
        }
        program.push(end(libc::SECCOMP_RET_ALLOW));
        Self(program)
    }

    /// Refuses all but these calls.
    pub fn allowing(calls: &[Call], refusal: Refusal) -> Self {
        let mut program = vec![load(LOAD_CALL)];
        for &call in calls {
            program.extend([jump(call as u32, 0, 1), end(libc::SECCOMP_RET_ALLOW)]);
        }
        program.push(end(refusal.action()));
        Self(program)
    }

    /// As `MemoryDenyWriteExecute=`: no memory that may be written and executed, and none that becomes executable.
    pub fn denying_writable_code(refusal: Refusal) -> Self {
        const WRITE_AND_EXECUTE: u32 = (libc::PROT_WRITE | libc::PROT_EXEC) as u32;
        const EXECUTE: u32 = libc::PROT_EXEC as u32;
        Self(vec![
            load(LOAD_CALL),
            jump(libc::SYS_mmap as u32, 0, 3),
            load(LOAD_THIRD_ARGUMENT),
            and(WRITE_AND_EXECUTE),
            jump(WRITE_AND_EXECUTE, 5, 6),
            jump(libc::SYS_mprotect as u32, 1, 0),
            jump(libc::SYS_pkey_mprotect as u32, 0, 4),
            load(LOAD_THIRD_ARGUMENT),
            and(EXECUTE),
            jump(EXECUTE, 0, 1),
            end(refusal.action()),
            end(libc::SECCOMP_RET_ALLOW),
        ])
    }

    fn install(&self) -> io::Result<()> {
        let program = libc::sock_fprog { len: self.0.len() as libc::c_ushort, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: the program lives as long as the call, which copies it.
        check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
    }
}

fn op(code: u32) -> u16 {
    code as u16
}

fn load(offset: u32) -> libc::sock_filter {
    libc::sock_filter { code: op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS), jt: 0, jf: 0, k: offset }
}

fn and(bits: u32) -> libc::sock_filter {
    libc::sock_filter { code: op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K), jt: 0, jf: 0, k: bits }
}

/// Skips so many instructions, depending on whether the value is this one.
fn jump(value: u32, if_equal: u8, if_not: u8) -> libc::sock_filter {
    let code = op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    libc::sock_filter { code, jt: if_equal, jf: if_not, k: value }
}

fn end(action: u32) -> libc::sock_filter {
    libc::sock_filter { code: op(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k: action }
}

/// All that is taken from a server before it starts.
#[derive(Default)]
pub struct Confinement {
    filters: Vec<Filter>,
    hidden: Vec<CString>,
    writable: Option<CString>,
    user_namespace: bool,
    ignores_child_ends: bool,
    file_limit: Option<u64>,
    niceness: Option<i32>,
}

impl Confinement {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// Puts an empty folder in the place of this one.
    pub fn hiding(mut self, folder: &str) -> Self {
        self.hidden.push(CString::new(folder).expect("no zero byte"));
        self
    }

    /// Leaves only this folder writable, and what is mounted below the root on its own.
    pub fn read_only_but(mut self, folder: &Path) -> Self {
        self.writable = Some(CString::new(folder.as_os_str().as_bytes()).expect("no zero byte"));
        self
    }

    pub fn in_user_namespace(self) -> Self {
        Self { user_namespace: true, ..self }
    }

    /// As launchers do that do not care for their own children.
    pub fn ignoring_child_ends(self) -> Self {
        Self { ignores_child_ends: true, ..self }
    }

    /// As `ulimit -n`.
    pub fn file_limit(self, limit: u64) -> Self {
        Self { file_limit: Some(limit), ..self }
    }

    pub fn niceness(self, niceness: i32) -> Self {
        Self { niceness: Some(niceness), ..self }
    }

    /// Whether this machine lets a test do it. Root in CI may do all of it, so that there nothing is left out.
    pub fn is_possible(&self) -> bool {
        let needs_root =
            !self.hidden.is_empty() || self.writable.is_some() || self.niceness.is_some_and(|nice| nice < 0);
        if nix::unistd::geteuid().is_root() {
            return true;
        }
        if needs_root {
            eprintln!("NOT TESTED: only root can take files away from a server");
            return false;
        }
        !self.user_namespace || user_namespaces_are_possible()
    }

    pub(super) fn apply_to(self: &Arc<Self>, command: &mut Command) {
        let confinement = Arc::clone(self);
        let work = move || confinement.enter();
        // SAFETY: nothing but system calls, on what was made before the fork.
        unsafe { command.pre_exec(work) };
    }

    fn enter(&self) -> io::Result<()> {
        // SAFETY: plain system calls with valid arguments.
        unsafe {
            if self.ignores_child_ends {
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            }
            if let Some(limit) = self.file_limit {
                let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
            }
            if let Some(niceness) = self.niceness {
                check(libc::setpriority(libc::PRIO_PROCESS, 0, niceness))?;
            }
            if self.user_namespace {
                check(libc::unshare(libc::CLONE_NEWUSER))?;
            }
            if self.writable.is_some() || !self.hidden.is_empty() {
                check(libc::unshare(libc::CLONE_NEWNS))?;
                mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE)?;
            }
        }
        if let Some(writable) = &self.writable {
            mount(Some(writable), writable, None, libc::MS_BIND)?;
            mount(None, c"/", None, libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY)?;
        }
        for folder in &self.hidden {
            mount(Some(c"none"), folder, Some(c"tmpfs"), 0)?;
        }
        // SAFETY: a plain system call.
        check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        self.filters.iter().try_for_each(Filter::install)
    }
}

/// Whether this machine lets a test make user namespaces. Where root may not, the tests that need them fail.
pub fn user_namespaces_are_possible() -> bool {
    let made = || Command::new("unshare").args(["--user", "--map-root-user", "true"]).status();
    let possible = nix::unistd::geteuid().is_root() || made().is_ok_and(|status| status.success());
    if !possible {
        eprintln!("NOT TESTED: this system gives user namespaces to root alone");
    }
    possible
}

fn mount(
    source: Option<&std::ffi::CStr>,
    target: &std::ffi::CStr,
    kind: Option<&std::ffi::CStr>,
    flags: libc::c_ulong,
) -> io::Result<()> {
    let pointer = |text: Option<&std::ffi::CStr>| text.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: the strings live as long as the call.
    check(unsafe { libc::mount(pointer(source), target.as_ptr(), pointer(kind), flags, std::ptr::null()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
