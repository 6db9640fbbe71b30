# A whole handler: says hello to every request. Needs: gem install ffi-rzmq
require "ffi-rzmq"
require "json"

send_spec, recv_spec = ARGV.size > 1 ? ARGV : ["tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996"]

context = ZMQ::Context.new
requests = context.socket(ZMQ::PULL)
requests.connect(send_spec)
replies = context.socket(ZMQ::PUB)
replies.connect(recv_spec)

loop do
  requests.recv_string(message = +"")
  sender, conn_id, path, rest = message.b.split(" ", 4)
  length, rest = rest.split(":", 2)
  headers = JSON.parse(rest[0, length.to_i].force_encoding("UTF-8"))
  next if headers["METHOD"] == "JSON" # a client left; nobody waits for an answer
  body = "Hello from Ruby, you asked for #{path}\n"
  head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: #{body.bytesize}\r\n\r\n"
  replies.send_string("#{sender} #{conn_id.length}:#{conn_id}, #{head}#{body}")
end
