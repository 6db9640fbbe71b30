<?php
// A whole handler: says hello to every request. Needs: the extension zmq
[, $send_spec, $recv_spec] = $argc > 2 ? $argv : ["", "tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996"];

$context = new ZMQContext();
$requests = $context->getSocket(ZMQ::SOCKET_PULL);
$requests->connect($send_spec);
$replies = $context->getSocket(ZMQ::SOCKET_PUB);
$replies->connect($recv_spec);

while (true) {
    [$sender, $conn_id, $path, $rest] = explode(" ", $requests->recv(), 4);
    [$length, $rest] = explode(":", $rest, 2);
    $headers = json_decode(substr($rest, 0, (int) $length), true);
    if ($headers["METHOD"] === "JSON") {
        continue; // a client left; nobody waits for an answer
    }
    $body = "Hello from PHP, you asked for $path\n";
    $head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . strlen($body) . "\r\n\r\n";
    $replies->send("$sender " . strlen($conn_id) . ":$conn_id, $head$body");
}
