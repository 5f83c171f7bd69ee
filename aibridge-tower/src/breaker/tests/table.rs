//! How many circuits there are.

use tokio::time::advance;

use super::*;
use crate::breaker::circuits::CIRCUITS;

#[tokio::test(start_paused = true)]
async fn invented_models_neither_fill_the_memory_nor_close_what_is_open() {
    let ground = Ground::new(Policy::default());
    ground.answers(503, 5).await;
    ground.does(Does::Answers(503));
    for number in 0..2 * CIRCUITS {
        assert_eq!(ground.ask(request(&format!("invented-{number}"))).await, (503, None));
    }
    assert_eq!(ground.layer.layer(()).circuits_len(), CIRCUITS);
    assert_eq!(ground.ask(request("m")).await.1.as_deref(), Some("30"), "still open");
    // One that is new does not open, until there is room.
    for _ in 0..10 {
        assert_eq!(ground.ask(request("late")).await, (503, None));
    }
    advance(Duration::from_secs(10)).await;
    for _ in 0..5 {
        assert_eq!(ground.ask(request("late")).await, (503, None));
    }
    assert_eq!(ground.ask(request("late")).await.1.as_deref(), Some("30"));
    assert_eq!(ground.ask(request("m")).await.1.as_deref(), Some("20"));
    assert_eq!(ground.layer.layer(()).circuits_len(), 2, "those of the invented models are gone");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_any_more_makes_room() {
    let ground = Ground::new(Policy { failures: 1, ..Policy::default() });
    ground.does(Does::Answers(503));
    for number in 0..CIRCUITS {
        ground.ask(request(&format!("gone-{number}"))).await;
    }
    advance(Duration::from_secs(59)).await;
    ground.ask(request("new")).await;
    assert_eq!(ground.layer.layer(()).circuits_len(), CIRCUITS, "they were open until half a minute ago");
    advance(Duration::from_secs(1)).await;
    ground.ask(request("new")).await;
    assert_eq!(ground.layer.layer(()).circuits_len(), 1);
}

#[test]
fn threads_that_come_and_go_leave_no_probe_behind() {
    use crate::breaker::{circuit::Verdict, circuits::Circuits};
    let policy = Policy { failures: 2, open: Duration::ZERO, ..Policy::default() };
    let circuits = Arc::new(Circuits::new(policy));
    let route = request("m").extensions().get::<ProviderRoute>().unwrap().clone();
    let threads: Vec<_> = (0..8_u64)
        .map(|thread| {
            let (circuits, route) = (circuits.clone(), route.clone());
            std::thread::spawn(move || {
                // A generator that is good enough to mix the three outcomes.
                let mut state = thread * 2 + 1;
                let mut held = Vec::new();
                for _ in 0..5_000 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    held.extend(circuits.admit(&route, "m").ok());
                    if held.len() > 3 {
                        let ticket = held.swap_remove(usize::try_from(state >> 60).unwrap() % held.len());
                        match (state >> 32) % 3 {
                            0 => ticket.settle(Verdict::Failed),
                            1 => ticket.settle(Verdict::Passed),
                            _ => drop(ticket),
                        }
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // Nothing is on its way any more: as many as decide are let through, and close it.
    for _ in 0..2 * policy.probes {
        circuits.admit(&route, "m").expect("let through").settle(Verdict::Passed);
    }
    assert_eq!(circuits.len(), 0);
}
