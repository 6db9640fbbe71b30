//! A site at work: the configuration and every resource that it names, swapped as one.

use crate::error::{StartFault, chain};
use crate::error_pages::ErrorPages;
use crate::handler_security;
use crate::process::connections_max;
use arc_swap::ArcSwap;
use bus::Security;
use edge::{AudienceId, Registry, Rules};
use site::{Handler, Site};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use targets::dir::Directory;
use targets::handler::{HandlerLink, UploadStore};
use targets::proxy::Upstream;

/// One configuration in force. An exchange keeps the one it began with.
#[derive(Debug)]
pub struct Live {
    pub site: Site,
    pub rules: Arc<Rules>,
    pub dirs: Vec<Directory>,
    pub proxies: Vec<Upstream>,
    /// By `site::Handler::index`. A link is replaced in its place only when it had to be closed for
    /// a configuration that then failed.
    handlers: Vec<ArcSwap<HandlerLink>>,
    /// Links of earlier sites, which live for as long as a connection has seen them.
    retired: Vec<Weak<HandlerLink>>,
    /// By `upload.temp_store`.
    pub upload_store: Option<Arc<UploadStore>>,
    pub error_pages: ErrorPages,
    pub handler_security: Security,
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
        // First, because a fault here must not have closed a socket.
        let (site, Files { error_pages, handler_security }) = files(site).await?;
        let known = previous.map(Self::links).unwrap_or_default();
        let handlers = match bind_all((&site, &handler_security), &known, registry).await {
            Ok(handlers) => handlers,
            Err(fault) => {
                if let Some(live) = previous {
                    live.reopen_closed(registry).await;
                }
                return Err(fault);
            }
        };
        let is_retired =
            |link: &&Arc<HandlerLink>| !handlers.iter().any(|new| Arc::ptr_eq(new, link));
        let retired = known.iter().filter(is_retired).map(Arc::downgrade).collect();
        let upload_store = upload_store(&site, previous).await;
        let mime = Arc::new(site.mime.clone());
        let dirs = site.dirs.iter();
        let dirs = dirs.map(|dir| Directory::new(Arc::clone(dir), Arc::clone(&mime))).collect();
        let proxies = site.proxies.iter();
        let proxies = proxies.map(|proxy| Upstream::new(Arc::clone(proxy), &site.limits)).collect();
        let rules = Arc::new(rules(&site));
        let handlers = handlers.into_iter().map(ArcSwap::new).collect();
        Ok(Self {
            site,
            rules,
            dirs,
            proxies,
            handlers,
            retired,
            upload_store,
            error_pages,
            handler_security,
        })
    }

    /// The link of `site.handlers[index]`.
    pub fn handler(&self, index: usize) -> Arc<HandlerLink> {
        self.handlers[index].load_full()
    }

    pub fn handlers(&self) -> impl Iterator<Item = Arc<HandlerLink>> {
        self.handlers.iter().map(ArcSwap::load_full)
    }

    /// Binds again what was closed to make way for a site that then failed.
    async fn reopen_closed(&self, registry: &Arc<Registry>) {
        for place in &self.handlers {
            let closed = place.load_full();
            if !closed.is_closed() {
                continue;
            }
            match bind(closed.handler(), (&self.site, &self.handler_security), registry).await {
                Ok(link) => place.store(link),
                Err(fault) => tracing::error!(
                    "a handler's sockets could not be bound again: {}",
                    chain(&fault)
                ),
            }
        }
    }

    /// Every link that holds its addresses.
    pub fn links(&self) -> Vec<Arc<HandlerLink>> {
        let retired = self.retired.iter().filter_map(Weak::upgrade);
        self.handlers().chain(retired).collect()
    }
}

/// What a site needs of the disk.
struct Files {
    error_pages: ErrorPages,
    handler_security: Security,
}

async fn files(site: Site) -> Result<(Site, Files), StartFault> {
    let read = tokio::task::spawn_blocking(move || {
        let error_pages = ErrorPages::load(&site)?;
        let handler_security = handler_security::read(&site.handler_security, |path| path.into())?;
        Ok((site, Files { error_pages, handler_security }))
    });
    match read.await {
        Ok(read) => read,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// What is unfinished in a store that both sites name counts for both.
async fn upload_store(site: &Site, previous: Option<&Live>) -> Option<Arc<UploadStore>> {
    let template = site.uploads.temp_store.as_deref()?;
    let kept = previous.and_then(|live| live.upload_store.as_ref());
    match kept.filter(|store| store.is_for(template)) {
        Some(store) => Some(Arc::clone(store)),
        None => Some(UploadStore::open(template, &site.server.uuid).await),
    }
}

async fn bind_all(
    (site, security): (&Site, &Security),
    known: &[Arc<HandlerLink>],
    registry: &Arc<Registry>,
) -> Result<Vec<Arc<HandlerLink>>, StartFault> {
    let kept = |handler: &Handler| known.iter().find(|link| link.serves(handler));
    let is_kept = |old: &HandlerLink| site.handlers.iter().any(|new| old.serves(new));
    let in_the_way = |handler: &Handler| -> Vec<&Arc<HandlerLink>> {
        known.iter().filter(|old| collide(old, handler) && !is_kept(old)).collect()
    };
    let mut links = Vec::with_capacity(site.handlers.len());
    for handler in &site.handlers {
        links.push(match kept(handler) {
            Some(link) => Some(Arc::clone(link)),
            None if in_the_way(handler).is_empty() => {
                Some(bind(handler, (site, security), registry).await?)
            }
            None => None,
        });
    }
    // A row that keeps an address but changes what is spoken there: the old link must let go of it
    // first. This comes last, when little else can fail.
    for (handler, link) in site.handlers.iter().zip(&mut links).filter(|(_, link)| link.is_none()) {
        for old in in_the_way(handler) {
            old.close().await;
        }
        *link = Some(bind(handler, (site, security), registry).await?);
    }
    Ok(links.into_iter().flatten().collect())
}

async fn bind(
    handler: &Arc<Handler>,
    (site, security): (&Site, &Security),
    registry: &Arc<Registry>,
) -> Result<Arc<HandlerLink>, StartFault> {
    let id = AudienceId(LINKS.fetch_add(1, Ordering::Relaxed));
    let terms = (&site.limits, &site.options, security);
    HandlerLink::bind(id, Arc::clone(handler), terms, Arc::clone(registry))
        .await
        .map_err(|source| StartFault::Handler { row: handler.id, source })
}

fn collide(old: &HandlerLink, new: &Handler) -> bool {
    let old = old.handler();
    let new = [&new.send_spec, &new.recv_spec];
    [&old.send_spec, &old.recv_spec]
        .iter()
        .any(|old| new.iter().any(|new| store::endpoints_collide(old, new)))
}

fn rules(site: &Site) -> Rules {
    let mut limits = site.limits.clone();
    let most = connections_max();
    if limits.connections_max > most {
        tracing::warn!(
            asked = limits.connections_max,
            most,
            "limits.connections is more than the process has descriptors for; see superpoll.max_fd"
        );
        limits.connections_max = most;
    }
    Rules {
        limits,
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
