// A room of so many viewers on one server, and one who speaks on another: prints how long each message took to the last of
// the viewers, in seconds, and null for one that not everybody had in time. Sockets are bare: they speak just enough of
// Engine.IO, so that what is measured is the servers.
//   node room.mjs <port of viewers> <port of the speaker> <viewers> <messages a second> <seconds> <seconds to wait>
import WebSocket from "ws";

const [viewersPort, speakerPort, viewers, rate, seconds, patience] = process.argv.slice(2).map(Number);
const sentAt = [];
const arrivals = [];
const delays = [];

function join(port, heard) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
    socket.on("error", reject);
    socket.on("message", (data) => {
      const packet = data.toString();
      if (packet[0] === "0") socket.send("40");
      else if (packet === "2") socket.send("3");
      else if (packet.startsWith("40")) resolve(socket);
      else if (packet.startsWith("42")) heard?.(Number(packet.match(/"n":(\d+)/)[1]));
    });
  });
}

function heard(n) {
  arrivals[n] += 1;
  if (arrivals[n] === viewers) delays[n] = (performance.now() - sentAt[n]) / 1000;
}

const sockets = [];
for (let joined = 0; joined < viewers; joined += 100) {
  const some = Array.from({ length: Math.min(100, viewers - joined) }, () => join(viewersPort, heard));
  sockets.push(...(await Promise.all(some)));
}
const speaker = await join(speakerPort);
const total = rate * seconds;
const began = performance.now();
for (let n = 0; n < total; n += 1) {
  const due = began + (1000 * n) / rate - performance.now();
  if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
  arrivals[n] = 0;
  delays[n] = null;
  sentAt[n] = performance.now();
  const text = "what a play, did you see how she came from behind there";
  const user = { id: "1m82gcjvvcerzb4bvp1768", username: "somebody", role: "viewer", badges: [] };
  speaker.send(`42${JSON.stringify(["say", { n, type: "message", user, text, emotes: [], created_at: new Date() }])}`);
}
const until = performance.now() + 1000 * patience;
while (delays.includes(null) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(JSON.stringify(delays));
process.exit(0);
