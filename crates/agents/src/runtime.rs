//! Futures that need a tokio runtime, on any executor.

use tokio::runtime::Handle;

/// `work`, done where it is polled, with the clock and the sockets of `runtime`, which has to live as long.
pub(crate) async fn polled_on<F: Future>(runtime: &Handle, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        let _entered = runtime.enter();
        work.as_mut().poll(context)
    })
    .await
}
