-- A configuration database, the same tables as Mongrel2 1.12 makes, so that either server runs from
-- it. Whoever writes one by hand starts here: sqlite3 config.sqlite < schema.sql
--
-- All text is UTF-8. Nothing may be NULL in a column that is read. Columns marked (not read) are
-- kept because Mongrel2's tools expect them.

-- One row for each server; `server config.sqlite <uuid>` runs the first row with that uuid.
CREATE TABLE server (id INTEGER PRIMARY KEY,
    uuid TEXT,
    access_log TEXT,                     -- path, below the chroot
    error_log TEXT,                      -- path, below the chroot
    chroot TEXT DEFAULT '/var/www',      -- '' for none
    pid_file TEXT,                       -- path, below the chroot
    control_port TEXT DEFAULT '',        -- ZeroMQ endpoint; '' for the setting control_port
    default_host TEXT,                   -- host.name of the host that answers when none matches
    name TEXT DEFAULT '',                -- for people
    bind_addr TEXT DEFAULT '0.0.0.0',    -- a numeric address, IPv4 or IPv6
    port INTEGER,                        -- 1 to 65535
    use_ssl INTEGER DEFAULT 0);          -- not 0: TLS

-- One row for each virtual host. `matching` is a name (which takes the names below it too) or has
-- a pattern in parentheses, as in (.+).example.com.
CREATE TABLE host (id INTEGER PRIMARY KEY,
    server_id INTEGER,
    maintenance BOOLEAN DEFAULT 0,       -- (not read)
    name TEXT,
    matching TEXT);

-- Two ZeroMQ sockets that the server binds: requests go out on send_spec, replies come in on
-- recv_spec. Specs are tcp://host:port, tcp://*:port or ipc://path.
CREATE TABLE handler (id INTEGER PRIMARY KEY,
    send_spec TEXT,
    send_ident TEXT,
    recv_spec TEXT,
    recv_ident TEXT,                     -- topic; '' for all
    raw_payload INTEGER DEFAULT 0,       -- 1: the message body is the whole request
    protocol TEXT DEFAULT 'json');       -- or 'tnetstring'

-- A web server to pass requests on to.
CREATE TABLE proxy (id INTEGER PRIMARY KEY,
    addr TEXT,
    port INTEGER);

-- A directory of files.
CREATE TABLE directory (id INTEGER PRIMARY KEY,
    base TEXT,                           -- ends in /
    index_file TEXT,
    default_ctype TEXT,
    cache_ttl INTEGER DEFAULT 0);        -- seconds

-- The paths of a host. `path` is a literal beginning, from the first ( on a pattern.
CREATE TABLE route (id INTEGER PRIMARY KEY,
    path TEXT,
    reversed BOOLEAN DEFAULT 0,          -- (not read)
    host_id INTEGER,
    target_id INTEGER,                   -- id in the table that target_type names
    target_type TEXT);                   -- 'handler', 'proxy' or 'dir'

-- Limits, deadlines and switches, shared by all servers of the database.
CREATE TABLE setting (id INTEGER PRIMARY KEY, key TEXT, value TEXT);

-- (not read)
CREATE TABLE statistic (id SERIAL,
    other_type TEXT,
    other_id INTEGER,
    name TEXT,
    sum REAL,
    sumsq REAL,
    n INTEGER,
    min REAL,
    max REAL,
    mean REAL,
    sd REAL,
    PRIMARY KEY (other_type, other_id, name));

-- Content types by extension, which begins with a dot; shared by all servers of the database.
CREATE TABLE mimetype (id INTEGER PRIMARY KEY, mimetype TEXT, extension TEXT);

-- Plugins of Mongrel2. `settings` is a tnetstring.
CREATE TABLE filter (id INTEGER PRIMARY KEY,
    server_id INTEGER,
    name TEXT,
    settings TEXT);

CREATE TABLE xrequest (id INTEGER PRIMARY KEY,
    server_id INTEGER,
    name TEXT,
    settings TEXT);

-- What m2sh did to this database, and why. The only table that survives `m2sh load`.
CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY,
    who TEXT,
    what TEXT,
    location TEXT,
    happened_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    how TEXT,
    why TEXT);
