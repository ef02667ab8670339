//! Threads that stay awake from one phase of a step to the next.
//!
//! A step on a batch of 256 takes a few hundred microseconds in four phases. A pool puts its threads to sleep between them, and
//! waking one up takes as long as the phase it is woken for. A [`Team`] borrows the other threads of the current rayon pool for a
//! whole epoch; between phases they spin, so that a phase begins within a microsecond.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

/// How often a waiting thread looks again before it lets another one have the core.
const PATIENCE: u32 = 1 << 14;

/// Who carries out the tasks of a phase.
#[derive(Clone, Copy)]
pub(crate) enum Team<'a> {
    /// The threads of the rayon pool, woken for each phase.
    Pool,
    /// This thread and those that stay awake beside it.
    Awake(&'a Phases),
}

/// The phase at hand, shared by the threads of a team.
pub(crate) struct Phases {
    /// The phase's number above, the tasks that nobody has taken yet in the lower 32 bits.
    untaken: AtomicU64,
    finished: AtomicUsize,
    /// Written only between phases, when no task is taken or can be.
    phase: UnsafeCell<Phase>,
    over: AtomicBool,
}

#[derive(Clone, Copy)]
struct Phase {
    tasks: usize,
    task: *const (dyn Fn(usize) + Sync),
}

// SAFETY: `phase` is read by a thread only after it has taken a task, and written by the leader only when all tasks of the
// phase before are finished (`Phases::each`).
unsafe impl Sync for Phases {}

const LOW: u64 = u32::MAX as u64;

/// Runs `epoch` with a team: the other threads of the current pool as far as they are free, awake until `epoch` ends. Phases that
/// use rayon themselves must not be run by an awake team, whose threads they would wait for in vain.
pub(crate) fn awake<R: Send>(epoch: impl FnOnce(Team<'_>) -> R + Send) -> R {
    fn nothing(_: usize) {}
    let phases = Phases {
        untaken: AtomicU64::new(0),
        finished: AtomicUsize::new(0),
        phase: UnsafeCell::new(Phase { tasks: 0, task: &nothing }),
        over: AtomicBool::new(false),
    };
    rayon::scope(|scope| {
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(|_| phases.follow());
        }
        // The others are let go whether the epoch returns or panics.
        let _over = OnDrop(|| phases.over.store(true, Ordering::Release));
        epoch(Team::Awake(&phases))
    })
}

impl Team<'_> {
    /// Runs `task` once for every number below `tasks`, in any order and on any thread; returns when all are done.
    pub fn each(self, tasks: usize, task: impl Fn(usize) + Sync) {
        match self {
            Self::Pool => (0..tasks).into_par_iter().with_max_len(1).for_each(&task),
            Self::Awake(phases) => phases.each(tasks, &task),
        }
    }
}

impl Phases {
    fn each(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        assert!((tasks as u64) < LOW, "too many tasks");
        // SAFETY: only the lifetime changes. The guard below keeps this call from ending before every task that was taken is
        // finished and no more can be taken, so nobody reads the pointer afterwards.
        let task: *const (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(task) };
        // SAFETY: the last phase's guard has seen to it that nobody is inside.
        unsafe { *self.phase.get() = Phase { tasks, task } };
        self.finished.store(0, Ordering::Relaxed);
        let number = (self.untaken.load(Ordering::Relaxed) >> 32).wrapping_add(1) << 32;
        let _finished = OnDrop(|| {
            // Nothing is left unless a task of this thread has panicked.
            let left = (self.untaken.swap(number, Ordering::AcqRel) & LOW) as usize;
            let mut patience = PATIENCE;
            while self.finished.load(Ordering::Acquire) < tasks - left {
                wait(&mut patience);
            }
        });
        self.untaken.store(number | tasks as u64, Ordering::Release);
        while self.take_one() {}
    }

    /// Takes a task of the phase at hand and carries it out; false if there is none.
    fn take_one(&self) -> bool {
        // The phase's number is part of what is exchanged, so a task is never taken for another phase than it was seen in.
        let taken = self.untaken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |untaken| {
            (untaken & LOW > 0).then(|| untaken - 1)
        });
        let Ok(untaken) = taken else { return false };
        // SAFETY: a task that is taken and not finished keeps the phase as it is.
        let Phase { tasks, task } = unsafe { *self.phase.get() };
        let _finished = OnDrop(|| {
            self.finished.fetch_add(1, Ordering::Release);
        });
        // SAFETY: as above; the pointer is good until the task is finished.
        unsafe { (*task)(tasks - (untaken & LOW) as usize) };
        true
    }

    /// Takes tasks until the team is dissolved.
    fn follow(&self) {
        let mut patience = PATIENCE;
        while !self.over.load(Ordering::Acquire) {
            if self.take_one() {
                patience = PATIENCE;
            } else {
                wait(&mut patience);
            }
        }
    }
}

fn wait(patience: &mut u32) {
    if *patience > 0 {
        *patience -= 1;
        spin_loop();
    } else {
        std::thread::yield_now();
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn every_task_runs_once_in_every_phase() {
        for threads in [1, 2, 5] {
            pool(threads).install(|| {
                awake(|team| {
                    for phase in 0..2_000 {
                        let tasks = phase % 7;
                        let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                        team.each(tasks, |task| {
                            counts[task].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(
                            counts.iter().all(|count| count.load(Ordering::Relaxed) == 1),
                            "phase {phase}"
                        );
                    }
                });
            });
        }
    }

    #[test]
    fn what_a_phase_wrote_is_there_for_the_next() {
        pool(3).install(|| {
            awake(|team| {
                let numbers: Vec<AtomicU64> = (0..64).map(AtomicU64::new).collect();
                for _ in 0..500 {
                    // Each number becomes its neighbour's: relaxed, so only the end of a phase orders them.
                    let before: Vec<u64> =
                        numbers.iter().map(|number| number.load(Ordering::Relaxed)).collect();
                    team.each(64, |task| numbers[task].store(before[(task + 1) % 64], Ordering::Relaxed));
                }
                let shifted: Vec<u64> = numbers.iter().map(|number| number.load(Ordering::Relaxed)).collect();
                assert_eq!(shifted, (0..64).map(|place| (place + 500) % 64).collect::<Vec<_>>());
            });
        });
    }

    #[test]
    fn a_panic_in_a_task_comes_out_and_leaves_nobody_behind() {
        for bad in [0, 3, 63] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool(2).install(|| {
                    awake(|team| team.each(64, |task| assert_ne!(task, bad, "on purpose")));
                });
            }));
            assert!(result.is_err());
        }
    }
}
