// SPDX-License-Identifier: MIT
//! A user of the installed library in Rust, with nothing but std: a restore on the
//! simulator from an event loop of its own.
use std::ffi::{CStr, CString};
use std::mem::size_of;
use std::os::raw::{c_char, c_int, c_short, c_uint, c_ulong, c_void};
use std::ptr::{null, null_mut};

const EMPTY_RINGS: c_uint = 1 << 3;
const STEP_DONE: c_int = 0;
const STEP_AGAIN: c_int = 1;
const STEP_WAIT: c_int = 2;
const STEP_COMMIT: c_int = 3;
const POLLIN: c_short = 1;

// The handles are opaque: pointers to nothing that Rust knows.
#[repr(C)]
struct Ctx([u8; 0]);
#[repr(C)]
struct State([u8; 0]);
#[repr(C)]
struct Dev([u8; 0]);
#[repr(C)]
struct Restore([u8; 0]);
#[repr(C)]
struct Report([u8; 0]);

// The structs of vdpa-restore.h, member by member.
#[repr(C)]
struct RestoreOpts {
    size: usize,
    flags: c_uint,
    deadline: u64,
    vrings: *const c_void,
    n_vrings: usize,
    in_use: *const c_void,
    n_in_use: usize,
    warn: *const *const c_char,
    n_warn: usize,
    cancel_fd: c_int,
    config_fd: c_int,
    iova: *const c_void,
    watch_msec: u32,
}

#[repr(C)]
struct CommitOpts {
    size: usize,
    vrings: *const c_void,
    n_vrings: usize,
    deadline: u64,
}

#[repr(C)]
struct Next {
    size: usize,
    stage: *const c_char,
    request: *const c_char,
    may_be_slow: bool,
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

#[link(name = "vdpa-restore")]
extern "C" {
    fn vdpr_version() -> *const c_char;
    fn vdpr_has_feature(name: *const c_char) -> c_int;
    fn vdpr_ctx_new(out: *mut *mut Ctx) -> c_int;
    fn vdpr_ctx_free(ctx: *mut Ctx);
    fn vdpr_ctx_error(ctx: *const Ctx) -> *const c_char;
    fn vdpr_state_read(ctx: *mut Ctx, path: *const c_char, out: *mut *mut State) -> c_int;
    fn vdpr_state_free(state: *mut State);
    fn vdpr_dev_open(ctx: *mut Ctx, name: *const c_char, out: *mut *mut Dev) -> c_int;
    fn vdpr_dev_close(dev: *mut Dev);
    fn vdpr_restore_begin(
        ctx: *mut Ctx, dev: *mut Dev, state: *const State, opts: *const RestoreOpts, out: *mut *mut Restore,
    ) -> c_int;
    fn vdpr_restore_commit(restore: *mut Restore, state: *const State, opts: *const CommitOpts) -> c_int;
    fn vdpr_restore_get_fd(restore: *const Restore) -> c_int;
    fn vdpr_restore_process(restore: *mut Restore) -> c_int;
    fn vdpr_restore_next(restore: *const Restore, out: *mut Next);
    fn vdpr_restore_result(restore: *mut Restore, out: *mut *mut Report) -> c_int;
    fn vdpr_restore_free(restore: *mut Restore);
    fn vdpr_report_format(ctx: *mut Ctx, report: *const Report, out: *mut *mut c_char) -> c_int;
    fn vdpr_report_free(report: *mut Report);
    fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
    fn free(p: *mut c_void);
}

fn text(p: *const c_char) -> String {
    unsafe { CStr::from_ptr(p) }.to_string_lossy().into_owned()
}

/// Everything that must be freed, in the order in which it must be.
struct Session {
    restore: *mut Restore,
    dev: *mut Dev,
    state: *mut State,
    ctx: *mut Ctx,
}

impl Drop for Session {
    fn drop(&mut self) {
        unsafe {
            vdpr_restore_free(self.restore);
            vdpr_dev_close(self.dev);
            vdpr_state_free(self.state);
            vdpr_ctx_free(self.ctx);
        }
    }
}

impl Session {
    fn check(&self, ret: c_int, what: &str) -> Result<(), String> {
        match ret {
            0 => Ok(()),
            _ => Err(format!("{}: {} ({})", what, text(unsafe { vdpr_ctx_error(self.ctx) }), ret)),
        }
    }

    fn open(path: &str) -> Result<Session, String> {
        let mut s = Session { restore: null_mut(), dev: null_mut(), state: null_mut(), ctx: null_mut() };
        let path = CString::new(path).unwrap();
        let sim = CString::new("sim").unwrap();
        if unsafe { vdpr_ctx_new(&mut s.ctx) } != 0 {
            return Err("no memory".into());
        }
        let ret = unsafe { vdpr_state_read(s.ctx, path.as_ptr(), &mut s.state) };
        s.check(ret, "state")?;
        let ret = unsafe { vdpr_dev_open(s.ctx, sim.as_ptr(), &mut s.dev) };
        s.check(ret, "device")?;
        Ok(s)
    }

    fn begin(&mut self) -> Result<(), String> {
        let opts = RestoreOpts {
            size: size_of::<RestoreOpts>(), flags: EMPTY_RINGS, deadline: 0, vrings: null(), n_vrings: 0,
            in_use: null(), n_in_use: 0, warn: null(), n_warn: 0, cancel_fd: 0, config_fd: 0, iova: null(),
            watch_msec: 0,
        };
        let ret = unsafe { vdpr_restore_begin(self.ctx, self.dev, self.state, &opts, &mut self.restore) };
        self.check(ret, "begin")
    }

    /// The loop: poll, then one step.
    fn run(&self) -> Result<c_int, String> {
        let mut next =
            Next { size: size_of::<Next>(), stage: null(), request: null(), may_be_slow: false };
        loop {
            let mut fd = PollFd { fd: unsafe { vdpr_restore_get_fd(self.restore) }, events: POLLIN, revents: 0 };
            if unsafe { poll(&mut fd, 1, 10000) } != 1 {
                return Err("nothing to do for ten seconds".into());
            }
            unsafe { vdpr_restore_next(self.restore, &mut next) };
            if next.may_be_slow {
                println!("may be slow: {} {}", text(next.stage), text(next.request));
            }
            match unsafe { vdpr_restore_process(self.restore) } {
                STEP_AGAIN | STEP_WAIT => continue,
                step if step >= 0 => return Ok(step),
                error => self.check(error, "process")?,
            }
        }
    }

    fn commit(&self) -> Result<(), String> {
        let opts = CommitOpts { size: size_of::<CommitOpts>(), vrings: null(), n_vrings: 0, deadline: 0 };
        let ret = unsafe { vdpr_restore_commit(self.restore, self.state, &opts) };
        self.check(ret, "commit")
    }

    fn report(&self) -> Result<String, String> {
        let mut report = null_mut();
        let mut json = null_mut();
        let ret = unsafe { vdpr_restore_result(self.restore, &mut report) };
        self.check(ret, "result")?;
        let ret = unsafe { vdpr_report_format(self.ctx, report, &mut json) };
        self.check(ret, "report")?;
        let copy = text(json);
        unsafe {
            free(json as *mut c_void);
            vdpr_report_free(report);
        }
        Ok(copy)
    }
}

fn restore(path: &str) -> Result<(), String> {
    let event = CString::new("event").unwrap();
    if unsafe { vdpr_has_feature(event.as_ptr()) } != 1 {
        return Err("this library has no event-driven restore".into());
    }
    let mut session = Session::open(path)?;
    session.begin()?;
    if session.run()? != STEP_COMMIT {
        return Err("the early stages did not wait for the final state".into());
    }
    session.commit()?;
    if session.run()? != STEP_DONE {
        return Err("no end".into());
    }
    println!("{}", session.report()?.trim());
    println!("restored from Rust with {}", text(unsafe { vdpr_version() }));
    Ok(())
}

fn main() {
    let path = std::env::args().nth(1).expect("a state file");
    if let Err(error) = restore(&path) {
        eprintln!("{}", error);
        std::process::exit(1);
    }
}
