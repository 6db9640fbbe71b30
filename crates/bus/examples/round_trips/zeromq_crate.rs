//! The load over the PUSH and SUB sockets of the `zeromq` crate: one task, which sends the next
//! request for each reply.

use std::sync::Arc;

use bytes::Bytes;
use zeromq::{PushSocket, Socket as _, SocketRecv as _, SocketSend as _, SubSocket, ZmqMessage};

use crate::meter::Meter;
use crate::{Plan, is_greeting};

/// Binds, waits for the handlers and sends the first requests.
pub(crate) async fn start(plan: Plan, meter: &Arc<Meter>) {
    let (mut push, mut sub) = (PushSocket::new(), SubSocket::new());
    sub.subscribe("").await.expect("subscribed");
    sub.bind(&plan.recv_spec).await.expect("bound");
    push.bind(&plan.send_spec).await.expect("bound");
    let mut greeted = 0;
    while greeted < plan.handlers {
        greeted += usize::from(is_greeting(&received(&mut sub).await));
    }
    let meter = Arc::clone(meter);
    tokio::spawn(async move {
        for _ in 0..plan.in_flight {
            request(&mut push, &meter).await;
        }
        loop {
            meter.arrived(&received(&mut sub).await);
            request(&mut push, &meter).await;
        }
    });
}

async fn request(push: &mut PushSocket, meter: &Meter) {
    // A handler connects its PULL after it has greeted; until then nobody takes what is sent.
    while push.send(ZmqMessage::from(meter.message(0))).await.is_err() {
        tokio::task::yield_now().await;
    }
}

async fn received(sub: &mut SubSocket) -> Bytes {
    let message = sub.recv().await.expect("a handler's message");
    message.get(0).cloned().unwrap_or_default()
}
