//! A service: HTTP, one thread a connection, connections kept, 200 to everything.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use harness_local::Identity;
use harness_local::interceptor::{self, Beyond};

/// The size of every answer's body, in bytes.
pub(crate) const BODY: usize = 400;
/// Whoever gets this path has ended the service: it exits with status 9.
pub(crate) const DIE: &str = "/die";
/// How long one that is late takes to listen.
pub(crate) const LATE: Duration = Duration::from_millis(300);

pub(crate) fn serve(words: &[String]) -> ExitCode {
    let [address, quirks @ ..] = words else { return ExitCode::FAILURE };
    let has = |quirk: &str| quirks.iter().any(|word| word == quirk);
    if has("fails") {
        eprintln!("the cupboard is bare");
        return ExitCode::from(3);
    }
    if has("mute") {
        (0..100).for_each(|n| println!("still thinking, {n}"));
        sleep_forever();
    }
    if has("daemon") {
        // Leaves the group, the session and the parent; the mark in its environment stays.
        let mut daemon = Command::new("setsid");
        daemon.args(["--fork", "sleep", "3600"]).process_group(0);
        daemon.spawn().and_then(|mut daemon| daemon.wait()).expect("setsid is there");
    }
    if has("late") {
        std::thread::sleep(LATE);
    }
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("{address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {address}");
    if has("tls") {
        return over_tls(&listener);
    }
    if has("flood") {
        std::thread::spawn(|| {
            loop {
                println!("{}", "x".repeat(100));
            }
        });
    }
    answer_all(&listener)
}

fn answer_all(listener: &TcpListener) -> ExitCode {
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
    ExitCode::SUCCESS
}

/// Speaks TLS at the listener's address, and answers behind that in clear.
fn over_tls(listener: &TcpListener) -> ExitCode {
    let read = |path| std::fs::read_to_string(path).expect("the file was installed");
    let identity = Identity { chain: read("tls.pem"), key: read("tls.key") };
    let inner = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let beyond = Beyond::Plain(inner.local_addr().expect("it is bound"));
    std::thread::spawn(move || answer_all(&inner));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = listener.try_clone().expect("there is a descriptor to spare");
    let served = runtime.block_on(interceptor::serve_on(listener, &identity, beyond));
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn answer(mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut lines = BufReader::new(reading).lines();
    loop {
        let mut keep = true;
        loop {
            match lines.next() {
                Some(Ok(line)) if line.is_empty() => break,
                Some(Ok(line)) if line.starts_with(&format!("GET {DIE} ")) => std::process::exit(9),
                Some(Ok(line)) => keep &= line != "connection: close",
                _ => return,
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n");
        if stream.write_all((head + &"o".repeat(BODY)).as_bytes()).is_err() || !keep {
            return;
        }
    }
}

pub(crate) fn sleep_forever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
