/* A JeroMQ peer for tests, in the roles of libzmq.py: java -cp jeromq.jar Jeromq.java ROLE SEND_SPEC
 * RECV_SPEC [identity=NAME]. Lines for the test begin with `peer: `. */
import java.util.Scanner;
import org.zeromq.ZMQ;

public class Jeromq {
    static final ZMQ.Context CONTEXT = ZMQ.context(1);

    public static void main(String[] words) {
        String identity = null;
        for (String word : words) {
            if (word.startsWith("identity=")) {
                identity = word.substring("identity=".length());
            }
        }
        switch (words[0]) {
            case "echo" -> echo(connected(ZMQ.PULL, words[1], identity), connected(ZMQ.XPUB, words[2], identity));
            case "hoard" -> hoard(connected(ZMQ.PULL, words[1], identity));
            case "ask" -> ask(connected(ZMQ.REQ, words[1], identity));
            case "publish" -> publish(connected(ZMQ.XPUB, words[2], identity));
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    static ZMQ.Socket connected(int kind, String spec, String identity) {
        ZMQ.Socket socket = CONTEXT.socket(kind);
        socket.setLinger(0);
        socket.setReconnectIVL(20);
        if (identity != null) {
            socket.setIdentity(identity.getBytes());
        }
        socket.connect(spec);
        return socket;
    }

    static void say(String words) {
        System.out.println("peer: " + words);
    }

    static void echo(ZMQ.Socket requests, ZMQ.Socket replies) {
        StringBuilder subscription = new StringBuilder("ready ");
        for (byte one : replies.recv(0)) {
            subscription.append(String.format("%02x", one));
        }
        say(subscription.toString());
        while (true) {
            byte[] request = requests.recv(0);
            if (new String(request).equals("multipart")) {
                replies.sendMore("part one");
                replies.send("part two");
            } else {
                replies.send(request, 0);
            }
        }
    }

    static void hoard(ZMQ.Socket requests) {
        say("ready");
        while (true) {
            say(new String(requests.recv(0)));
        }
    }

    static void ask(ZMQ.Socket port) {
        say("ready");
        Scanner lines = new Scanner(System.in);
        while (lines.hasNextLine()) {
            port.send(lines.nextLine());
            say(new String(port.recv(0)));
        }
    }

    static void publish(ZMQ.Socket replies) {
        replies.recv(0);
        Scanner lines = new Scanner(System.in);
        while (lines.hasNextLine()) {
            replies.send(new byte[Integer.parseInt(lines.nextLine())], 0);
        }
    }
}
