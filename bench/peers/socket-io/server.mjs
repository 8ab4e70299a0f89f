// A socket.io server with the Redis adapter, as its documentation has it: everybody is in one room, and what one says, all hear.
//   node server.mjs <redis url>      prints its port
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const pub = createClient({ url: process.argv[2] });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);

const http = createServer();
const io = new Server(http, { adapter: createAdapter(pub, sub), serveClient: false });
io.on("connection", (socket) => {
  socket.join("room");
  socket.on("say", (message) => io.to("room").emit("message", message));
});
http.listen(0, "127.0.0.1", 8192, () => console.log(http.address().port));
