//! The handlers of the signals by which a process dies of a mistake: they write a report to the log, and let it die.
//!
//! In a handler hardly anything is allowed: no memory may be asked for and no lock waited for, since whoever was
//! interrupted may hold it. Everything here is system calls, loads of atomics, and text put into a buffer that is there
//! already. What needs more is found out when the handlers are installed.
#![expect(unsafe_code, reason = "signal handlers, and the registers that the kernel hands them")]

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::observe;
use crate::server::process::logging;
use crate::snapshot::OptionalCall;
use crate::stdx::version;

const SIGNALS: [Signal; 5] = [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGABRT];

/// The stack of the handler in the server's own thread. Other threads have the smaller one of the standard library.
const STACK_BYTES: usize = 64 << 10;

const REPORT_BYTES: usize = 16 << 10;

/// How much of the interrupted stack is searched for return addresses, and how many are shown.
const STACK_WORDS_MAX: usize = 2048;
const ADDRESSES_MAX: usize = 48;

/// How long a thread waits for another one that is writing its report, which ends with the process.
const OTHER_REPORT_SECONDS: libc::time_t = 2;

/// As near as this to the stack pointer, an address where nothing may be written is the end of the stack.
const STACK_END_BYTES: usize = 64 << 10;

/// As a shell reports that a process has died of a signal, whose number is added.
const EXIT_SIGNALLED: libc::c_int = 128;

const NO_COMMAND: usize = usize::MAX;

static ENABLED: AtomicBool = AtomicBool::new(false);

/// The number of the command that the server executes.
static RUNNING: AtomicUsize = AtomicUsize::new(NO_COMMAND);
static COMMANDS: OnceLock<Vec<Box<str>>> = OnceLock::new();

/// Where our own code is.
static PROGRAM: OnceLock<Program> = OnceLock::new();

static BUFFERS: Mutex<Buffers> = Mutex::new(Buffers {
    text: Text { bytes: [0; REPORT_BYTES], len: 0 },
    maps: [0; MAPS_BYTES],
    words: [0; STACK_WORDS_MAX],
});

/// A line of `/proc/self/maps` has a path of at most 4 KiB.
const MAPS_BYTES: usize = 8 << 10;

struct Program {
    path: String,
    start: usize,
    code: Range<usize>,
}

/// What a report needs besides the small stack of a handler.
struct Buffers {
    text: Text,
    maps: [u8; MAPS_BYTES],
    words: [usize; STACK_WORDS_MAX],
}

/// Takes as much text as there is room for.
struct Text {
    bytes: [u8; REPORT_BYTES],
    len: usize,
}

/// What the signal says of itself.
struct Fault {
    signal: libc::c_int,
    code: libc::c_int,
    address: usize,
    /// Of the process that sent the signal, if one did.
    sender: Option<libc::pid_t>,
}

/// Installs the handlers; the thread that calls this has a stack for them from now on.
pub fn install() {
    PROGRAM.get_or_init(Program::find);
    provide_stack();
    let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
    let action = SigAction::new(SigHandler::SigAction(handle), flags, SigSet::empty());
    for signal in SIGNALS {
        // SAFETY: the handler does only what the head of this file allows.
        if let Err(error) = unsafe { sigaction(signal, &action) } {
            tracing::debug!("{signal} is not handled: {error}");
        }
    }
    let action = SigAction::new(SigHandler::SigAction(show), flags | SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: as above.
    if let Err(error) = unsafe { sigaction(Signal::SIGALRM, &action) } {
        tracing::debug!("SIGALRM is not handled: {error}");
    }
}

/// Whether reports are written. Without them the process dies all the same.
pub fn enable(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// The names of all commands, by their numbers.
pub fn name_commands(names: impl Iterator<Item = Box<str>>) {
    COMMANDS.get_or_init(|| names.collect());
}

/// A command begins.
#[inline]
pub fn enter(command: usize) {
    RUNNING.store(command, Ordering::Relaxed);
}

/// The command has ended.
#[inline]
pub fn leave() {
    RUNNING.store(NO_COMMAND, Ordering::Relaxed);
}

/// A full stack leaves no room for the handler, which therefore has another one.
fn provide_stack() {
    let memory = Box::leak(vec![0u8; STACK_BYTES].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: the memory is ours for ever. Where this fails, the handler runs on the stack of before.
    unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
}

impl Program {
    /// Out of `/proc/self/maps`: where the kernel has put our own file.
    fn find() -> Self {
        let path = std::env::current_exe().unwrap_or_default().to_string_lossy().into_owned();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let mut program = Self { path, start: 0, code: 0..0 };
        for mapping in maps.lines().filter_map(|line| Mapping::parse(line.as_bytes())) {
            if mapping.path != program.path.as_bytes() {
                continue;
            }
            if program.start == 0 {
                program.start = mapping.range.start;
            }
            if mapping.permissions.contains(&b'x') {
                program.code = mapping.range;
            }
        }
        program
    }
}

/// A line of `/proc/self/maps`.
struct Mapping<'a> {
    range: Range<usize>,
    permissions: &'a [u8],
    path: &'a [u8],
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut ends = fields.next()?.split(|&byte| byte == b'-').map(hexadecimal);
        let range = ends.next()??..ends.next()??;
        let permissions = fields.next()?;
        let path = fields.nth(3).unwrap_or_default().trim_ascii();
        Some(Self { range, permissions, path })
    }
}

fn hexadecimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0usize, |number, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        number.checked_mul(16)?.checked_add(digit as usize)
    })
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: a plain system call. From here on the same signal ends the process, also where it is this handler's fault.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    if ENABLED.load(Ordering::Relaxed) {
        // SAFETY: the kernel hands a handler of this kind both of them, and they live as long as it runs.
        let (fault, registers) = unsafe { (Fault::read(signal, &*info), Registers::read(&*context.cast())) };
        match BUFFERS.try_lock() {
            Ok(mut buffers) => {
                buffers.report(&fault, &registers);
                ENABLED.store(false, Ordering::Relaxed);
            }
            Err(_) => wait_for_other_report(),
        }
    }
    // SAFETY: plain system calls. The signal is held back until the handler returns, and ends the process then.
    unsafe {
        // The kernel spares the first process of a container the default action of a signal that this sends itself.
        if libc::getpid() == 1 {
            libc::_exit(EXIT_SIGNALLED + signal);
        }
        libc::raise(signal);
    }
}

/// Writes to the log what the server is about, and lets it go on: so it answers SIGALRM, as Redis does.
extern "C" fn show(_signal: libc::c_int, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Ok(mut buffers) = BUFFERS.try_lock() else { return };
    // SAFETY: the kernel hands a handler of this kind its context, which lives as long as it runs; the error number of
    // whoever was interrupted is put back.
    unsafe {
        let errno = *libc::__errno_location();
        buffers.show(&Registers::read(&*context.cast()));
        *libc::__errno_location() = errno;
    }
}

fn wait_for_other_report() {
    let time = libc::timespec { tv_sec: OTHER_REPORT_SECONDS, tv_nsec: 0 };
    // SAFETY: a plain system call, whose time lives as long as it.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

impl Fault {
    fn read(signal: libc::c_int, info: &libc::siginfo_t) -> Self {
        let is_sent = info.si_code <= 0;
        // SAFETY: what is read are numbers, which for other signals would mean something else.
        let (address, sender) = unsafe { (info.si_addr() as usize, info.si_pid()) };
        Self {
            signal,
            code: info.si_code,
            address: if is_sent { 0 } else { address },
            sender: is_sent.then_some(sender),
        }
    }

    fn is_of_memory(&self) -> bool {
        self.sender.is_none() && [libc::SIGSEGV, libc::SIGBUS].contains(&self.signal)
    }
}

impl Buffers {
    fn show(&mut self, registers: &Registers) {
        // Text that does not fit is left out.
        let _ = writeln!(self.text, "\n\nReceived SIGALRM, and go on");
        let _ = write_thread(&mut self.text);
        let _ = self.trace(registers);
        let _ = writeln!(self.text, "--------\n");
        write_all(logging::descriptor(), &self.text.bytes[..self.text.len]);
        self.text.len = 0;
    }

    fn report(&mut self, fault: &Fault, registers: &Registers) {
        // Text that does not fit is left out.
        let _ = self.describe(fault, registers);
        let _ = self.trace(registers);
        let end = "=== REDIS BUG REPORT END. ===\nPlease report it with the whole text above. The last snapshot on disk is \
                   what it was.\n\n";
        self.text.len = self.text.len.min(REPORT_BYTES - end.len());
        let _ = self.text.write_str(end);
        write_all(logging::descriptor(), &self.text.bytes[..self.text.len]);
    }

    fn describe(&mut self, fault: &Fault, registers: &Registers) -> fmt::Result {
        let &Fault { signal, code, address, sender } = fault;
        let text = &mut self.text;
        let pid = std::process::id();
        let name = Signal::try_from(signal).map_or("unknown", Signal::as_str);
        writeln!(text, "\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===")?;
        writeln!(text, "{pid}: Copal crashed by signal: {signal} ({name}), si_code: {code}")?;
        match sender {
            Some(sender) if sender as u32 == pid => writeln!(text, "{pid}: It was raised by the server itself")?,
            Some(sender) => writeln!(text, "{pid}: It was sent by the process {sender}")?,
            None => writeln!(text, "{pid}: Accessing address: {address:#x}")?,
        }
        if fault.is_of_memory() {
            find_mapping(&mut self.maps, address, |mapping| explain(text, fault, registers, mapping))?;
        }
        let text = &mut self.text;
        let (copal, commit, redis) = (version::COPAL, version::COMMIT, version::REDIS);
        writeln!(text, "{pid}: Copal {copal} ({commit}), standing for Redis {redis}")?;
        write_thread(text)?;
        writeln!(text, "------ REGISTERS ------")?;
        if observe::user_data_is_hidden() {
            return writeln!(text, "Hidden by hide-user-data-from-log, since they may hold user data.");
        }
        for (place, (name, value)) in registers.all.iter().enumerate() {
            let end = if place % 4 == 3 || place + 1 == registers.all.len() { '\n' } else { ' ' };
            write!(text, "{name:>4}:{value:016x}{end}")?;
        }
        Ok(())
    }

    /// The instruction, and what on the stack looks like the place of a call.
    fn trace(&mut self, registers: &Registers) -> fmt::Result {
        let Self { text, words, .. } = self;
        writeln!(text, "------ STACK TRACE ------")?;
        let Some(program) = PROGRAM.get() else { return Ok(()) };
        let path = &program.path;
        writeln!(
            text,
            "The instruction, and what on the stack may be return addresses; `addr2line -Cfpie {path}` with"
        )?;
        writeln!(text, "the numbers behind the plus signs names them:")?;
        let count = copy_stack(registers.stack_pointer, words);
        let instruction = std::iter::once(&registers.instruction);
        let addresses = instruction.chain(words[..count].iter().filter(|word| program.code.contains(word)));
        for &address in addresses.take(ADDRESSES_MAX) {
            match address.checked_sub(program.start).filter(|_| program.code.contains(&address)) {
                Some(offset) => writeln!(text, "{address:#x} +{offset:#x}")?,
                None => writeln!(text, "{address:#x} (not in this program)")?,
            }
        }
        Ok(())
    }
}

/// Which thread this is, and what it executes.
fn write_thread(text: &mut Text) -> fmt::Result {
    let pid = std::process::id();
    let (thread, number) = this_thread();
    write!(text, "{pid}: In the thread {} ({number})", printable(&thread))?;
    let running = COMMANDS.get().and_then(|names| names.get(RUNNING.load(Ordering::Relaxed)));
    match running.filter(|_| number as u32 == pid) {
        Some(name) => writeln!(text, ", which executes the command {name}"),
        None => writeln!(text),
    }
}

/// What the memory map says of an address that could not be used; no mapping where there is none.
fn explain(text: &mut Text, fault: &Fault, registers: &Registers, mapping: Option<&Mapping<'_>>) -> fmt::Result {
    let pid = std::process::id();
    let may_write = mapping.is_some_and(|mapping| mapping.permissions.contains(&b'w'));
    match mapping {
        Some(mapping) if fault.signal == libc::SIGBUS && mapping.path.starts_with(b"/") => {
            let path = printable(mapping.path);
            writeln!(text, "{pid}: The file {path} was cut short, or its disk failed, while the server was reading it")
        }
        _ if !may_write && fault.address.abs_diff(registers.stack_pointer) < STACK_END_BYTES => {
            writeln!(text, "{pid}: The stack of this thread is full")
        }
        _ => Ok(()),
    }
}

/// Looks for the mapping that holds an address. Lines are read from the kernel piece by piece.
fn find_mapping<R>(buffer: &mut [u8], address: usize, found: impl FnOnce(Option<&Mapping<'_>>) -> R) -> R {
    // SAFETY: a plain system call with a string of C's.
    let file = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    let result = find_line(file, buffer, address, found);
    // SAFETY: a plain system call on what was just opened, or on no file.
    unsafe { libc::close(file) };
    result
}

fn find_line<R>(
    file: libc::c_int,
    buffer: &mut [u8],
    address: usize,
    found: impl FnOnce(Option<&Mapping<'_>>) -> R,
) -> R {
    let mut len = 0;
    loop {
        // SAFETY: the kernel writes to as many bytes as there are behind `len`.
        let read = unsafe { libc::read(file, buffer[len..].as_mut_ptr().cast(), buffer.len() - len) };
        match usize::try_from(read) {
            Ok(0) | Err(_) => break,
            Ok(read) => len += read,
        }
        let mut start = 0;
        while let Some(line) = buffer[start..len].iter().position(|&byte| byte == b'\n') {
            let mapping = Mapping::parse(&buffer[start..start + line]).filter(|it| it.range.contains(&address));
            if mapping.is_some() {
                return found(mapping.as_ref());
            }
            start += line + 1;
        }
        buffer.copy_within(start..len, 0);
        len -= start;
    }
    found(None)
}

/// Copies the words above the stack pointer, as far as there are any, and returns how many there were. The kernel is
/// asked to do it: the pointer may be what is wrong.
fn copy_stack(stack_pointer: usize, words: &mut [usize; STACK_WORDS_MAX]) -> usize {
    const WORD_BYTES: usize = size_of::<usize>();
    const PAGE_BYTES: usize = 4096;
    if !OptionalCall::ReadMemory.is_known_to_be_allowed() {
        return 0;
    }
    let mut from = stack_pointer & !(WORD_BYTES - 1);
    let mut count = 0;
    while count < words.len() {
        let bytes = (PAGE_BYTES - from % PAGE_BYTES).min((words.len() - count) * WORD_BYTES);
        let room = libc::iovec { iov_base: words[count..].as_mut_ptr().cast(), iov_len: bytes };
        let memory = libc::iovec { iov_base: from as *mut libc::c_void, iov_len: bytes };
        // SAFETY: the kernel writes to at most as many bytes as there is room for, and checks the address that it reads.
        let read = unsafe { libc::process_vm_readv(libc::getpid(), &raw const room, 1, &raw const memory, 1, 0) };
        if usize::try_from(read) != Ok(bytes) {
            break;
        }
        count += bytes / WORD_BYTES;
        from = from.wrapping_add(bytes);
    }
    count
}

/// Name and number of the thread that this runs in.
fn this_thread() -> ([u8; 16], libc::pid_t) {
    let mut name = [0; 16];
    // SAFETY: the kernel writes at most 16 bytes, the last of them a zero.
    let number = unsafe {
        libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr());
        libc::gettid()
    };
    (name, number)
}

/// Bytes up to the first zero, as far as they are text.
fn printable(bytes: &[u8]) -> &str {
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

fn write_all(descriptor: libc::c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads as many bytes as there are; a descriptor that is none is refused.
        let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(0) | Err(_) => return,
            Ok(written) => bytes = &bytes[written..],
        }
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let len = text.len().min(room.len());
        room[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        if len == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The processor's registers at the moment of the signal.
struct Registers {
    all: [(&'static str, usize); Self::COUNT],
    instruction: usize,
    stack_pointer: usize,
}

#[cfg(target_arch = "x86_64")]
impl Registers {
    const COUNT: usize = 18;

    const NAMES: [(&'static str, libc::c_int); Self::COUNT] = [
        ("RAX", libc::REG_RAX),
        ("RBX", libc::REG_RBX),
        ("RCX", libc::REG_RCX),
        ("RDX", libc::REG_RDX),
        ("RDI", libc::REG_RDI),
        ("RSI", libc::REG_RSI),
        ("RBP", libc::REG_RBP),
        ("RSP", libc::REG_RSP),
        ("R8", libc::REG_R8),
        ("R9", libc::REG_R9),
        ("R10", libc::REG_R10),
        ("R11", libc::REG_R11),
        ("R12", libc::REG_R12),
        ("R13", libc::REG_R13),
        ("R14", libc::REG_R14),
        ("R15", libc::REG_R15),
        ("RIP", libc::REG_RIP),
        ("EFL", libc::REG_EFL),
    ];

    fn read(context: &libc::ucontext_t) -> Self {
        let register = |number: libc::c_int| context.uc_mcontext.gregs[number as usize] as usize;
        Self {
            all: Self::NAMES.map(|(name, number)| (name, register(number))),
            instruction: register(libc::REG_RIP),
            stack_pointer: register(libc::REG_RSP),
        }
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    const COUNT: usize = 5;

    fn read(context: &libc::ucontext_t) -> Self {
        let machine = &context.uc_mcontext;
        let (instruction, stack_pointer) = (machine.pc as usize, machine.sp as usize);
        let register = |number: usize| machine.regs[number] as usize;
        let all = [
            ("PC", instruction),
            ("SP", stack_pointer),
            ("FP", register(29)),
            ("LR", register(30)),
            ("X0", register(0)),
        ];
        Self { all, instruction, stack_pointer }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl Registers {
    const COUNT: usize = 0;

    fn read(_: &libc::ucontext_t) -> Self {
        Self { all: [], instruction: 0, stack_pointer: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_of_an_address_is_found_however_the_lines_are_cut() {
        let here = mapping_of_an_address_is_found_however_the_lines_are_cut as fn() as usize;
        for bytes in [600, 1000, MAPS_BYTES] {
            let mut buffer = vec![0; bytes];
            let found = find_mapping(&mut buffer, here, |mapping| {
                mapping.map(|it| (it.permissions.to_vec(), printable(it.path).to_owned()))
            });
            let (permissions, path) = found.expect("our own code is mapped");
            assert_eq!(permissions, b"r-xp");
            assert_eq!(path, std::env::current_exe().expect("a path").to_string_lossy());
        }
        assert!(find_mapping(&mut [0; 600], 0, |mapping| mapping.is_none()));
        let program = Program::find();
        assert!(program.code.contains(&here) && program.start < program.code.start);
    }

    #[test]
    fn lines_that_are_none_are_passed() {
        for line in [&b""[..], b"x", b"12", b"12-", b"1-2", b"zz-1 rw-p", b"fffffffffffffffff-1 rw-p"] {
            assert!(Mapping::parse(line).is_none_or(|mapping| mapping.path.is_empty()), "{}", line.escape_ascii());
        }
        let parsed = Mapping::parse(b"1000-2000 r--s 00000000 00:2f 77   /a path/dump.rdb (deleted)").expect("a line");
        assert_eq!(
            (parsed.range, parsed.permissions, parsed.path),
            (0x1000..0x2000, &b"r--s"[..], &b"/a path/dump.rdb (deleted)"[..])
        );
    }

    #[test]
    fn stack_is_copied_as_far_as_there_is_one() {
        assert!(OptionalCall::ReadMemory.is_allowed(), "a filter of system calls keeps this from being tested");
        let marks = [0x0123_4567_89ab_cdef_usize; 4];
        let mut words = [0; STACK_WORDS_MAX];
        let count = copy_stack(marks.as_ptr() as usize, &mut words);
        assert_eq!(words[..4], marks);
        assert!((4..=STACK_WORDS_MAX).contains(&count));
        assert_eq!(copy_stack(0, &mut words), 0);
        assert_eq!(copy_stack(usize::MAX, &mut words), 0);
    }

    #[test]
    fn text_is_cut_where_its_room_ends() {
        let mut text = Text { bytes: [0; REPORT_BYTES], len: 0 };
        assert!(text.write_str("abc").is_ok());
        assert!(text.write_str(&"x".repeat(REPORT_BYTES)).is_err());
        assert_eq!((text.len, &text.bytes[..4]), (REPORT_BYTES, &b"abcx"[..]));
        assert_eq!(printable(b"load\0\0\0"), "load");
        assert_eq!(printable(b"ab\xff"), "ab");
    }
}
