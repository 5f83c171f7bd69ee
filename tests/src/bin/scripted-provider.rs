//! Serves the transcripts on loopback, for client SDKs to talk to: `scripted-provider [KEY] [ADDRESS]`.
//!
//! Prints its base URL as the first line and then serves until it is stopped. With a key it insists on it; requests to
//! Bedrock are signed with it, under the access key `AKIASCRIPTEDPROVIDER` and for `us-east-1`.

use std::io::{self, Write};

use aibridge_tests::{Provider, Scripted};

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut scripted = Scripted::load()?;
    if let Some(key) = arguments.next() {
        scripted = scripted.key(key);
    }
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let address = address.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let provider = Provider::replying_on(address, move |request| scripted.script(request)).await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", provider.url())?;
    stdout.flush()?;
    tokio::signal::ctrl_c().await
}
