//! Other work on every processor.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// One busy thread for each processor, until dropped.
pub(crate) struct Busy {
    enough: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    /// Starts them.
    pub(crate) fn start() -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let threads = (0..std::thread::available_parallelism().map_or(1, usize::from))
            .map(|processor| {
                let enough = Arc::clone(&enough);
                std::thread::spawn(move || {
                    let mut one = nix::sched::CpuSet::new();
                    let placed = one.set(processor).and_then(|()| {
                        nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &one)
                    });
                    placed.expect("a thread can be placed");
                    while !enough.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                })
            })
            .collect();
        Self { enough, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}
