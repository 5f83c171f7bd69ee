//! What the tests of several sources need.

use axum::Router;
use tokio::net::TcpListener;
use url::Url;

/// Serves `app` on loopback until the test's runtime ends.
pub(super) async fn serve(app: Router) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A loopback URL where nobody listens.
pub(super) async fn nobody() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}
