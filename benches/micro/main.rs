//! What the pure crates cost: `cargo xtask bench micro [WORD]`.

mod heads;
mod lookups;
mod messages;

fn main() {
    let ruler = benches::Ruler::from_arguments();
    heads::measure(&ruler);
    lookups::measure(&ruler);
    messages::measure(&ruler);
}

/// A request as a browser sends it.
const REQUEST: &[u8] = b"GET /articles/2026/11/a-fast-mongrel.html?page=2&sort=date HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/articles/\r\n\
    Cookie: session=7d4f2c9ab81e4d0f8a3b; theme=dark\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\r\n";
