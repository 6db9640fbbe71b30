//! A site at work: the configuration and every resource that it names, swapped as one.

use crate::error::StartFault;
use edge::{AudienceId, Registry, Rules};
use site::{Handler, Site};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use targets::dir::Directory;
use targets::handler::HandlerLink;
use targets::proxy::Upstream;

/// One configuration in force. An exchange keeps the one it began with.
#[derive(Debug)]
pub struct Live {
    pub site: Site,
    pub rules: Arc<Rules>,
    pub dirs: Vec<Directory>,
    pub proxies: Vec<Upstream>,
    /// By `site::Handler::index`.
    pub handlers: Vec<Arc<HandlerLink>>,
}

static LINKS: AtomicUsize = AtomicUsize::new(0);

impl Live {
    /// Brings `site` to life. Links of `previous` whose sockets the new site also names go on, with
    /// whoever is connected to them.
    pub async fn build(
        site: Site,
        previous: Option<&Self>,
        registry: &Arc<Registry>,
    ) -> Result<Self, StartFault> {
        let handlers = bind_all(&site, previous, registry).await?;
        let mime = Arc::new(site.mime.clone());
        let dirs = site.dirs.iter();
        let dirs = dirs.map(|dir| Directory::new(Arc::clone(dir), Arc::clone(&mime))).collect();
        let proxies = site.proxies.iter();
        let proxies = proxies.map(|proxy| Upstream::new(Arc::clone(proxy), &site.limits)).collect();
        let rules = Arc::new(rules(&site));
        Ok(Self { site, rules, dirs, proxies, handlers })
    }

    fn link_for(&self, handler: &Handler) -> Option<Arc<HandlerLink>> {
        self.handlers.iter().find(|link| link.serves(handler)).cloned()
    }
}

async fn bind_all(
    site: &Site,
    previous: Option<&Live>,
    registry: &Arc<Registry>,
) -> Result<Vec<Arc<HandlerLink>>, StartFault> {
    // A row that keeps an address but changes what is spoken there must let go of it first. Should
    // the rest then fail, the old row is bound again, so that the old site is whole.
    let mut released = Vec::new();
    for old in previous.map(|live| live.handlers.as_slice()).unwrap_or_default() {
        let in_the_way = site.handlers.iter().any(|new| !old.serves(new) && collide(old, new));
        if in_the_way && !site.handlers.iter().any(|new| old.serves(new)) {
            old.link().close().await;
            released.push(old);
        }
    }
    let mut links = Vec::with_capacity(site.handlers.len());
    for handler in &site.handlers {
        if let Some(link) = previous.and_then(|live| live.link_for(handler)) {
            links.push(link);
            continue;
        }
        match bind(handler, site, registry).await {
            Ok(link) => links.push(link),
            Err(fault) => {
                for old in released {
                    tracing::error!(
                        send_spec = old.handler().send_spec,
                        "a handler's sockets were closed for a configuration that then failed; reload or restart"
                    );
                }
                return Err(fault);
            }
        }
    }
    Ok(links)
}

async fn bind(
    handler: &Arc<Handler>,
    site: &Site,
    registry: &Arc<Registry>,
) -> Result<Arc<HandlerLink>, StartFault> {
    let id = AudienceId(LINKS.fetch_add(1, Ordering::Relaxed));
    let terms = (&site.limits, &site.options);
    HandlerLink::bind(id, Arc::clone(handler), terms, Arc::clone(registry))
        .await
        .map_err(|source| StartFault::Handler { row: handler.id, source })
}

fn collide(old: &HandlerLink, new: &Handler) -> bool {
    let old = old.handler();
    let specs = [&old.send_spec, &old.recv_spec];
    specs.contains(&&new.send_spec) || specs.contains(&&new.recv_spec)
}

fn rules(site: &Site) -> Rules {
    Rules {
        limits: site.limits.clone(),
        http: http1::Limits {
            head_bytes_max: site.limits.head_bytes_max,
            fields_max: site.limits.fields_max,
            target_bytes_max: site.limits.target_bytes_max,
            relaxed_uri: site.options.relaxed_uri,
            ..http1::Limits::default()
        },
        tcp_keepalive: site.options.tcp_keepalive,
    }
}
