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
