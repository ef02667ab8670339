//! A step of the fused engine allocates nothing: what an epoch allocates does not depend on its number of steps.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use cf_align::fused::FusedEngine;
use cf_align::train::TrainingEngine;
use cf_align::{Encoder, Loss, ModelConfig};
use rand::RngExt;
use rec_core::{Interactions, ItemId, UserId, random};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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
    let (n_users, n_items, pairs) = (300, 400, 6400);
    let mut rng = random::stream(1, "allocations", 0);
    let users = (0..pairs).map(|_| UserId(rng.random_range(0..n_users))).collect();
    let items = (0..pairs).map(|_| ItemId(rng.random_range(0..n_items))).collect();
    let train = Interactions::from_pairs(users, items);
    let configs = [
        ModelConfig::directau(),
        ModelConfig::directau_lightgcn(),
        ModelConfig::bpr(),
        ModelConfig::lightgcn(),
        ModelConfig::mawu(),
        ModelConfig {
            loss: Loss::GraphAu { gamma: 0.5, base: 1.4 },
            encoder: Encoder::LightGcn { layers: 2 },
            ..ModelConfig::graphau()
        },
    ];
    for mut config in configs {
        // 100 steps, so that one allocation a step would show as 100.
        config.training.batch_size = 64;
        let mut engine = FusedEngine::new(&config, &train, n_users as usize, n_items as usize).unwrap();
        engine.train_epoch(0).unwrap();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        engine.train_epoch(1).unwrap();
        let during = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert!(
            during < 50,
            "{:?} with {:?}: {during} allocations in 100 steps",
            config.loss,
            config.encoder
        );
    }
}
