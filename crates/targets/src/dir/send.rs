//! From a decision to a response.

use std::ops::Range;

use edge::{Body, Fault, FaultKind, Fields, FileSlice, Response};

use super::decide::Decision;
use super::range;
use super::representation::{Content, Representation};

/// The response that `decision` asks for.
///
/// # Errors
/// 412 and 416 are faults of kinds `PreconditionFailed` and `RangeNotSatisfiable`.
pub(super) fn response(
    file: &Representation,
    decision: Decision,
    head_only: bool,
) -> Result<Response<'static>, Fault> {
    let length = file.metadata.length;
    let (status, fields, body) = match decision {
        Decision::Whole if head_only => {
            (200, file.lines.clone(), Body::Absent { length: Some(length) })
        }
        Decision::Whole => (200, file.lines.clone(), body(&file.content, 0..length)),
        Decision::Part(part) => return Ok(partial(file, part)),
        Decision::NotModified => (304, file.validator_lines(), Body::Empty),
        Decision::PreconditionFailed => return Err(FaultKind::PreconditionFailed.into()),
        Decision::RangeNotSatisfiable => {
            return Err(FaultKind::RangeNotSatisfiable { length }.into());
        }
    };
    let fields = Fields::shared(fields);
    Ok(Response { fields, body, ..Response::new(status) })
}

fn partial(file: &Representation, part: Range<u64>) -> Response<'static> {
    let mut fields = Fields::shared(file.lines.clone());
    fields.add("Content-Range", range::content_range(&part, file.metadata.length));
    Response { fields, body: body(&file.content, part), ..Response::new(206) }
}

/// `part` lies inside the content.
fn body(content: &Content, part: Range<u64>) -> Body<'static> {
    match content {
        Content::Bytes(bytes) => {
            let place = |at| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            Body::Bytes(bytes.slice(place(part.start)..place(part.end)))
        }
        Content::File(file) => Body::File(FileSlice {
            file: file.clone(),
            offset: part.start,
            length: part.end.saturating_sub(part.start),
        }),
    }
}
