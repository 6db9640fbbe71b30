//! Directories on a real file system, through `Directory`, and beside Mongrel2's recorded answers.

use http1::{HeadReader, Limits, RequestHead};

pub(super) fn head(text: &str) -> RequestHead {
    let mut input = text.into();
    HeadReader::default().read(&mut input, &Limits::default()).unwrap().expect("a whole head")
}
