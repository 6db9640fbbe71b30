/* A whole handler: says hello to every request. Needs JeroMQ:
 * java -cp /usr/share/java/jeromq.jar Hello.java */
import java.nio.charset.StandardCharsets;
import org.zeromq.ZMQ;

public class Hello {
    public static void main(String[] arguments) {
        boolean given = arguments.length == 2;
        String sendSpec = given ? arguments[0] : "tcp://127.0.0.1:9997";
        String recvSpec = given ? arguments[1] : "tcp://127.0.0.1:9996";
        ZMQ.Context context = ZMQ.context(1);
        // Replies first: what is published before the server has subscribed is lost.
        ZMQ.Socket replies = context.socket(ZMQ.PUB);
        replies.connect(recvSpec);
        ZMQ.Socket requests = context.socket(ZMQ.PULL);
        requests.connect(sendSpec);
        while (true) {
            // Each byte as one character: lengths are counted in bytes.
            String request = new String(requests.recv(0), StandardCharsets.ISO_8859_1);
            String[] words = request.split(" ", 4);
            int colon = words[3].indexOf(':');
            int length = Integer.parseInt(words[3].substring(0, colon));
            String headers = words[3].substring(colon + 1, colon + 1 + length);
            // A client left; nobody waits for an answer. Quotes in values are escaped.
            if (headers.contains("\"METHOD\":\"JSON\"")) {
                continue;
            }
            String body = "Hello from Java, you asked for " + words[2] + "\n";
            String reply = words[0] + " " + words[1].length() + ":" + words[1] + ", "
                + "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + body.length()
                + "\r\n\r\n" + body;
            replies.send(reply.getBytes(StandardCharsets.ISO_8859_1), 0);
        }
    }
}
