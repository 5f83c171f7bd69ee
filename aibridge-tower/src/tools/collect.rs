use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

use crate::BoxError;

/// The whole body; or what there is of one that breaks off, or is larger than `limit`, and why.
pub(super) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, (Bytes, BoxError)>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Err((collected.freeze(), error.into())),
        };
        if collected.len() + data.len() > limit {
            return Err((collected.freeze(), "the reply is too large to be read as a whole".into()));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}
