//! Simulated rewards allocate nothing per turn.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use rl_env::metrics::{ItemTables, Likeness};
use rl_env::{
    Base, Cirs, CirsConfig, Compat, Dorl, DorlConfig, EntropyLevel, EntropyTable, Intrinsic, IntrinsicConfig,
    LogColumns, Mopo, MopoConfig, Predicted, Reward, RewardMatrix, Sensitivity, TagSlots,
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
fn simulated_rewards_allocate_nothing() {
    let (n_users, n_items) = (4_u32, 12_u32);
    let cells = |scale: f32| (0..n_users * n_items).map(|cell| scale * (1 + cell % 7) as f32).collect();
    let matrix = |scale| RewardMatrix::new(n_users as usize, n_items as usize, cells(scale)).unwrap();
    let predicted = Arc::new(Predicted::new(matrix(1.0), Some(matrix(0.1))).unwrap());
    let likeness = Likeness::Tags((0..n_items).map(|item| 1 << (item % 5) | 1 << (item % 3)).collect());
    let tables = Arc::new(ItemTables::new(likeness, vec![0.5; n_items as usize], Vec::new()).unwrap());
    let slots = TagSlots {
        name: "tags".into(),
        vocabulary: 5,
        slots: 2,
        values: (0..n_items).flat_map(|item| [item % 5, item % 3]).collect(),
    };
    let users: Vec<u32> = (0..60).map(|row| row / 15).collect();
    let items: Vec<u32> = (0..60).map(|row| row * row % n_items).collect();
    let log = LogColumns { users: &users, items: &items, targets: &[1.0; 60] };
    let entropy = Arc::new(EntropyTable::from_log(log, EntropyLevel::Tags(&slots), &[1, 2]).unwrap());
    let factors = Sensitivity { users: vec![1.5; n_users as usize], items: vec![0.5; n_items as usize] };
    let intrinsic = |compat| {
        Intrinsic::new(predicted.clone(), tables.clone(), &IntrinsicConfig::default(), &compat).unwrap()
    };
    let cirs = CirsConfig::default();
    let rewards: [Box<dyn Reward>; 6] = [
        Box::new(Base::new(predicted.clone())),
        Box::new(Mopo::new(predicted.clone(), &MopoConfig::default()).unwrap()),
        Box::new(Dorl::new(predicted.clone(), entropy, &DorlConfig::default()).unwrap()),
        Box::new(Cirs::new(predicted.clone(), tables.clone(), Some(Arc::new(factors)), &cirs).unwrap()),
        Box::new(intrinsic(Compat::default())),
        Box::new(intrinsic(Compat::easyrl4rec())),
    ];
    for (which, reward) in rewards.iter().enumerate() {
        let taken: Vec<u32> = (0..30).map(|turn| turn * 5 % n_items).collect();
        let before = ALLOCATIONS.get();
        let mut sum = 0.0;
        for turns in 0..=30 {
            for user in 0..n_users {
                sum += reward.reward(user, turns as u32 % n_items, &taken[..turns]);
            }
        }
        assert!(sum.is_finite());
        assert_eq!(ALLOCATIONS.get() - before, 0, "reward {which}");
    }
}
