//! The daemon of a home: one loop that owns everything, and the local API in front of it.

pub mod http;
mod options;
pub mod replica;

pub use options::Options;

use betwixt_api::{Problem, ProblemKind};
use tokio::sync::mpsc;

/// Runs the daemon of a home until it is asked to go down, or a signal ends it.
///
/// # Errors
/// When it cannot begin (another daemon runs, the directory cannot be used), in words for people.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let socket = http::Socket::bind(options.home.join(betwixt_api::SOCKET_NAME))?;
    let _alive = socket.alive();
    let (calls, mut waiting) = mpsc::channel::<http::Call>(http::MAX_WAITING_CALLS);
    let answering = async {
        // The loop stands here.
        while let Some(call) = waiting.recv().await {
            let _ = call.answer.send(Err(Problem::new(ProblemKind::Internal, "This build has no loop yet.")));
        }
    };
    tokio::select! {
        served = http::serve(socket, calls, std::future::pending()) => Ok(served?),
        () = answering => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
