// A whole handler: says hello to every request. Needs libzmq, which it calls without a package between.
package main

// #cgo LDFLAGS: -lzmq
// #include <zmq.h>
// #include <stdlib.h>
import "C"

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"
)

func connect(context unsafe.Pointer, kind C.int, spec string) unsafe.Pointer {
	socket := C.zmq_socket(context, kind)
	C.zmq_connect(socket, C.CString(spec))
	return socket
}

func main() {
	specs := []string{"", "tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996"}
	if len(os.Args) > 2 {
		specs = os.Args
	}
	context := C.zmq_ctx_new()
	requests := connect(context, C.ZMQ_PULL, specs[1])
	replies := connect(context, C.ZMQ_PUB, specs[2])
	for {
		var frame C.zmq_msg_t
		C.zmq_msg_init(&frame)
		size := C.zmq_msg_recv(&frame, requests, 0)
		message := string(C.GoBytes(C.zmq_msg_data(&frame), size))
		C.zmq_msg_close(&frame)
		parts := strings.SplitN(message, " ", 4)
		length, rest, _ := strings.Cut(parts[3], ":")
		end, _ := strconv.Atoi(length)
		var headers map[string]any
		if json.Unmarshal([]byte(rest[:end]), &headers) != nil || headers["METHOD"] == "JSON" {
			continue // a client left; nobody waits for an answer
		}
		body := fmt.Sprintf("Hello from Go, you asked for %s\n", parts[2])
		reply := fmt.Sprintf("%s %d:%s, HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
			parts[0], len(parts[1]), parts[1], len(body), body)
		data := C.CBytes([]byte(reply))
		C.zmq_send(replies, data, C.size_t(len(reply)), 0)
		C.free(data)
	}
}
