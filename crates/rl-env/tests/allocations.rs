//! Stepping allocates nothing once the batch is warm.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use rand::RngExt;
use rec_core::random;
use rl_env::{
    Autoreset, ItemDistances, Mode, Quit, QuitRule, RewardMatrix, States, VecEnv, VecEnvConfig, WindowMode,
    World,
};

struct Counting;

thread_local! {
    /// Of this thread alone: the test harness has one of its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_step_allocates_nothing() {
    let (users, items, envs) = (50, 300, 64);
    let mut rng = random::stream(1, "allocations", 0);
    let cells = (0..users * items).map(|_| rng.random_range(0.0..5.0)).collect();
    let truth = Arc::new(RewardMatrix::new(users, items, cells).unwrap());
    let tags = (0..items).map(|_| 1 << rng.random_range(0..31)).collect();
    let rules = [
        QuitRule::Never,
        QuitRule::Distance(ItemDistances::of(&truth).too_close(&truth, 13.0)),
        QuitRule::Category { tags, threshold: 1 },
    ];
    let all: Vec<usize> = (0..envs).collect();
    for (rule, autoreset, mode) in rules.iter().flat_map(|rule| {
        [Autoreset::NextStep, Autoreset::SameStep]
            .into_iter()
            .flat_map(move |autoreset| [(rule, autoreset, Mode::FreeB), (rule, autoreset, Mode::Nx0)])
    }) {
        let quit = Quit { rule: rule.clone(), window: 9, mode: WindowMode::PythonSlice };
        let world = Arc::new(World::new(truth.clone(), quit, 30, true).unwrap());
        let config = VecEnvConfig { envs, autoreset, mode, ..VecEnvConfig::default() };
        let mut batch = VecEnv::new(world, truth.clone(), config).unwrap();
        let mut states = States::new(3);
        let mut actions = vec![0; envs];
        let mut run = |batch: &mut VecEnv, steps: usize| {
            let mut ended = 0;
            for _ in 0..steps {
                for (env, action) in actions.iter_mut().enumerate() {
                    *action = rng.random_range(0..items as u32);
                    while mode.masks() && batch.seen().get(env, *action as usize) {
                        *action = (*action + 1) % items as u32;
                    }
                }
                batch.step(&actions).unwrap();
                ended += (0..envs).filter(|&env| batch.batch().ended(env)).count();
                states.clear();
                batch.next_states_into(&all, &mut states);
                states.clear();
                batch.states_into(&all, &mut states);
                // The same again: refused where items are masked, which must not allocate either.
                batch.step_at(&all[..envs / 2], &actions[..envs / 2]).ok();
            }
            ended
        };
        run(&mut batch, 2);
        let before = ALLOCATIONS.get();
        let ended = run(&mut batch, 500);
        let during = ALLOCATIONS.get() - before;
        assert!(ended > 100, "episodes end, so that resets are counted, too: {ended}");
        assert_eq!(during, 0, "{autoreset:?}, {mode}");
    }
}
