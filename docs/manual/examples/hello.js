// A whole handler: says hello to every request. Needs: npm install zeromq
const zmq = require("zeromq");

const [sendSpec, recvSpec] =
  process.argv.length > 3 ? process.argv.slice(2) : ["tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996"];

async function main() {
  const requests = new zmq.Pull();
  const replies = new zmq.Publisher();
  requests.connect(sendSpec);
  replies.connect(recvSpec);
  for await (const [message] of requests) {
    const [sender, connId, path] = message.toString("latin1").split(" ", 3);
    const rest = message.subarray(sender.length + connId.length + path.length + 3);
    const colon = rest.indexOf(":");
    const length = Number(rest.subarray(0, colon));
    const headers = JSON.parse(rest.subarray(colon + 1, colon + 1 + length));
    if (headers.METHOD === "JSON") continue; // a client left; nobody waits for an answer
    const body = `Hello from Node, you asked for ${path}\n`;
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`;
    await replies.send(`${sender} ${connId.length}:${connId}, ${head}${body}`);
  }
}

main();
