//! The load over a `Link`: each reply sends the next request, as a server's exchanges do.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bus::{
    Delivery, Link, LinkEvents, LinkLimits, LinkSpec, Notice, Outgoing, Publisher, Tag, Undelivered,
};
use bytes::Bytes;

use crate::meter::Meter;
use crate::{Plan, is_greeting};

struct Load {
    link: OnceLock<Link>,
    meter: Arc<Meter>,
    greeted: AtomicUsize,
    sent: AtomicU64,
}

impl Load {
    fn request(&self) {
        let conn = self.sent.fetch_add(1, Ordering::Relaxed);
        let delivery = Delivery::Request { tag: Tag { conn, exchange: 1 }, replayable: true };
        if let Some(link) = self.link.get() {
            link.send(Outgoing { message: self.meter.message(conn), delivery }).expect("room");
        }
    }
}

impl LinkEvents for Load {
    fn message(&self, _from: Publisher, message: Bytes) {
        if is_greeting(&message) {
            self.greeted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let conn = self.meter.arrived(&message);
        if let Some(link) = self.link.get() {
            link.answered(Tag { conn, exchange: 1 });
        }
        self.request();
    }

    fn notice(&self, _notice: Notice) -> Bytes {
        Bytes::new()
    }

    fn undelivered(&self, _tag: Tag, _why: Undelivered) {}
}

/// Binds, waits for the handlers and sends the first requests.
pub(crate) async fn start(plan: Plan, meter: &Arc<Meter>) {
    let load = Arc::new(Load {
        link: OnceLock::new(),
        meter: Arc::clone(meter),
        greeted: AtomicUsize::new(0),
        sent: AtomicU64::new(0),
    });
    let spec = LinkSpec {
        send_spec: plan.send_spec,
        send_ident: String::new(),
        recv_spec: plan.recv_spec,
        recv_ident: String::new(),
    };
    let events: Arc<dyn LinkEvents> = Arc::<Load>::clone(&load);
    let link = Link::bind(spec, LinkLimits::default(), events).await.expect("bound");
    assert!(load.link.set(link.clone()).is_ok());
    while load.greeted.load(Ordering::Relaxed) < plan.handlers || link.peers() < plan.handlers {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..plan.in_flight {
        load.request();
    }
}
