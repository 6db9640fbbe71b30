//! The configuration of each server: the same work, everybody writes an access log.

use super::UUID;

/// Ours and Mongrel2's. Every timeout is off: nobody may close what is measured.
pub(super) fn mongrel2(port: u16, handler: [u16; 2], upstream: u16) -> String {
    let [send, recv] = handler;
    format!(
        r#"
main = Server(
    uuid="{UUID}"
    name="bench"
    default_host="localhost"
    bind_addr="127.0.0.1"
    port={port}
    chroot=""
    access_log="logs/access-{port}.log"
    error_log="logs/error-{port}.log"
    pid_file="run/server-{port}.pid"
    hosts=[Host(name="localhost", routes={{
        '/static/': Dir(base='static/', index_file='index.html', default_ctype='text/plain')
        '/echo': Handler(
            send_spec='tcp://127.0.0.1:{send}', send_ident='bench-{port}',
            recv_spec='tcp://127.0.0.1:{recv}', recv_ident='')
        '/proxy': Proxy(addr='127.0.0.1', port={upstream})
    }})]
)
settings = {{
    "server.daemonize": 0
    "superpoll.max_fd": 16384
    "limits.connections": 16000
    "control_port": "ipc://run/control-{port}"
    "upload.temp_store": "tmp/upload.XXXXXX"
    "limits.min_ping": 0
    "limits.min_read_rate": 0
    "limits.min_write_rate": 0
}}
servers = [main]
"#
    )
}

pub(super) fn nginx(port: u16, upstream: u16) -> String {
    format!(
        "{}
    sendfile on;
    tcp_nopush on;
    access_log {{dir}}/logs/nginx.log combined;
    upstream back {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {{dir}};
        location /proxy {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
        location /upload {{
            client_max_body_size 0;
            client_body_in_file_only clean;
            proxy_pass http://back;
            proxy_pass_request_body off;
            proxy_set_header Content-Length \"\";
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
",
        nginx_frame("nginx")
    )
}

/// 1 KiB from memory, without a log: it is not measured.
pub(super) fn upstream(port: u16) -> String {
    format!(
        "{}
    access_log off;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ default_type text/plain; return 200 \"{}\"; }}
    }}
}}
",
        nginx_frame("upstream"),
        "0123456789abcdef".repeat(64)
    )
}

/// One worker, in the foreground, connections that are never closed for their age.
fn nginx_frame(name: &str) -> String {
    format!(
        "daemon off;
user root;
worker_processes 1;
pid {{dir}}/run/{name}.pid;
error_log stderr;
events {{ worker_connections 16384; }}
http {{
    keepalive_requests 1000000000;
    client_body_temp_path {{dir}}/tmp/{name}-body;
    proxy_temp_path {{dir}}/tmp/{name}-proxy;
    fastcgi_temp_path {{dir}}/tmp/{name}-fastcgi;
    uwsgi_temp_path {{dir}}/tmp/{name}-uwsgi;
    scgi_temp_path {{dir}}/tmp/{name}-scgi;"
    )
}

/// It logs to standard output, which goes to a file like the others' logs.
pub(super) fn haproxy(port: u16, upstream: u16) -> String {
    format!(
        "global
    maxconn 16000
    no strict-limits
    nbthread 1
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server one 127.0.0.1:{upstream}
"
    )
}
